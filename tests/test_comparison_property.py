"""Whatever payments and registries are, the differences found are those of a plain model, and what is proposed for
them makes them go.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities import comparison, difference_actions
from activities.difference_actions import Decision
from models.contracts.reconciliation import DifferenceStatus, Proposal
from models.database import Database
from tests.reconciliation_world import ZONE, BankWorld, Row
from tests.test_comparison import compare

AMOUNTS = st.sampled_from([1_000, 2_500, 4_000])
ROUNDS = 4
"""A payment of another day with another sum takes two; a correction that uncovers another difference one more."""


@dataclass(frozen=True)
class Story:
    """What happened to one transaction here and at the bank; days are 0 (the eve) and 1."""

    taken: tuple[int, int] | None
    """Day and sum."""
    reversed_on: int | None
    registries: tuple[tuple[int, ...], tuple[int, ...]]
    """The lines of each day's registry."""
    payers: tuple[int, int]
    """Whom it was posted to, and whom the registry names; 2 is a number that nobody has."""


@st.composite
def stories(draw: st.DrawFn) -> Story:
    taken = draw(st.none() | st.tuples(st.integers(0, 1), AMOUNTS))
    reversed_on = None if taken is None else draw(st.none() | st.integers(taken[0], 1))
    honest = () if taken is None else (taken[1],)
    lines = [
        draw(
            st.just(honest if taken is not None and taken[0] == day else ())
            | st.just(())
            | AMOUNTS.map(lambda amount: (amount,))
            | AMOUNTS.map(lambda amount: (-amount,))
            | st.just((2_500, -2_500))
        )
        for day in (0, 1)
    ]
    posted_to = draw(st.integers(0, 1))
    named = draw(st.just(posted_to) | st.integers(0, 2))
    return Story(taken, reversed_on, (lines[0], lines[1]), (posted_to, named))


def kind_of(story: Story, day: int) -> str | None:  # noqa: PLR0911 - a list of cases, one a line
    """How registry and books differ on a day, said of one transaction as plainly as can be."""
    lines = story.registries[day]
    theirs = sum(lines)
    amount = 0 if story.taken is None else story.taken[1]
    ours = (amount if story.taken is not None and story.taken[0] == day else 0) - (
        amount if story.reversed_on == day else 0
    )
    stands = amount if story.reversed_on is None else 0
    other = story.registries[1 - day]
    if theirs == ours:
        misdirected = stands and theirs > 0 and story.payers[1] not in {story.payers[0], 2}
        return "other_account" if misdirected else None
    missing = theirs - ours
    if story.taken is None:
        if missing < 0:
            return "refund_unknown"
        return "unknown_account" if story.payers[1] == 2 else "missing_here"
    if missing > 0 and ours == 0 and stands and story.taken[0] != day and not any(line > 0 for line in other):
        return "other_date"
    if missing == -amount and story.reversed_on == 1 - day and not any(line < 0 for line in other):
        return "other_reversal_date"
    if not lines and ours < 0:
        return "reversal_unknown_to_bank"
    should_stand = stands + missing
    if should_stand < 0:
        return "refund_unknown"
    if should_stand == 0:
        return "refunded_at_bank" if lines else "extra_here"
    if not stands:
        return "reversed_here"
    return "in_two_registries" if missing > 0 and ours == 0 else "other_sum"


def play(world: BankWorld, told: Sequence[Story], days: Sequence[date]) -> None:
    """Let everything happen, here and at the bank."""
    rows: list[list[Row]] = [[], []]
    for number, story in enumerate(told):
        txn = f"T-{number}"
        if story.taken is not None:
            world.pay(story.taken[1], story.payers[0], txn=txn, day=days[story.taken[0]])
        if story.reversed_on is not None:
            world.reverse(txn, at=world.at(days[story.reversed_on], hour=20))
        named = [*world.accounts[:2], "nobody"][story.payers[1]]
        for day in (0, 1):
            rows[day] += [(txn, named, amount) for amount in story.registries[day]]
    for day in (0, 1):
        world.send(rows[day], day=days[day])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(told=st.lists(stories(), min_size=1, max_size=7))
def test_the_differences_are_those_of_a_plain_model_and_go_when_proposals_are_carried_out(
    database: Database, told: list[Story]
) -> None:
    world = BankWorld(database, None, "")
    world.furnish(accounts=2)
    days = [world.day - timedelta(days=1), world.day]
    play(world, told, days)

    for index, on in enumerate(days):
        expected = Counter(kind for story in told if (kind := kind_of(story, index)) is not None)
        assert compare(world, on) == expected

    for _ in range(ROUNDS):
        for on in days:
            compare(world, on)
            settle(world, on)
    for on in days:
        assert compare(world, on) == Counter()
        agrees(world, on)


def settle(world: BankWorld, on: date) -> None:
    """Carry out what is proposed; leave what only a person can explain."""
    decision = Decision("staff:accountant", world.now(), ZONE, reason="as it is")
    for difference in world.differences(day=on):
        with world.database.transaction() as session:
            if comparison.PROPOSALS[difference.kind] is Proposal.EXPLAIN:
                difference_actions.leave(session, difference.id, decision)
            else:
                difference_actions.carry_out(session, difference.id, decision)


def agrees(world: BankWorld, on: date) -> None:
    """Registry and books are alike, but for what was left."""
    day = world.reconciliation(on)
    left_minor = sum(
        (one.registry_minor or 0) - (one.posted_minor or 0) for one in world.differences(DifferenceStatus.LEFT, day=on)
    )
    assert day.gross_minor - day.posted_minor == left_minor
    assert day.ready_at is not None
