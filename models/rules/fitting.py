"""Whether what a subscriber has works with a tariff, and what is to be mounted where it does not."""

from collections.abc import Collection, Sequence


def to_mount(works_with: Sequence[tuple[str, str]], mounted: Collection[str]) -> list[str]:
    """The models that are to be mounted, in the order of the list.

    `works_with` holds kind and model: of each kind that stands there, one of its models is needed, and the first of
    them is what is mounted where none is. Models of other kinds are nobody's concern.
    """
    models: dict[str, list[str]] = {}
    for kind, model in works_with:
        models.setdefault(kind, []).append(model)
    return [choice[0] for choice in models.values() if not set(choice) & set(mounted)]
