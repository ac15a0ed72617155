"""How a name is shown to whoever asks by IIN alone."""


def masked_name(full_name: str) -> str:
    """`Сейткали Арман Болатович` becomes `С*** Арман Б.`: a payer recognises it, a stranger learns little."""
    parts = full_name.split()
    if len(parts) == 1:
        return f"{parts[0][0]}***"
    surname, given, *rest = parts
    return " ".join([f"{surname[0]}***", given, *(f"{part[0]}." for part in rest)])
