"""Outages that overlap, whatever happens to them: over the database, with SMS that go now and then."""

import random
from itertools import pairwise
from uuid import UUID

import pytest

from models.contracts.outage import OutageKind
from models.contracts.refusals import Refusal
from models.database import Database
from tests import factories
from tests.outage_world import HOUR, Served, Town

ENDS = {"restored", "called_off"}
STEPS = 14


class Chance:
    """Somebody who registers, moves and ends outages as it comes."""

    def __init__(self, town: Town, seed: int) -> None:
        self._town = town
        self._random = random.Random(seed)

    def happen(self) -> None:
        """One more thing."""
        town, chance = self._town, self._random
        town.sleep(chance.choice([0, 0.5, 2, 7]))
        open_ones = [one for one in town.outages if not town.outage(one).settled_at]
        act = chance.choice(["register", "register", "end", "move", "nodes", "cancel", "deliver", "deliver"])
        try:
            if act == "deliver":
                town.deliver_sms()
            elif act == "register" and len(open_ones) < 4:
                self._register()
            elif open_ones:
                self._change(act, chance.choice(open_ones))
        except Refusal:
            # A start that can't be moved any more, for one: nothing happens.
            return

    def _register(self) -> None:
        nodes, starts = self._nodes(), self._random.choice([3, 12, 30])
        if self._random.random() < 0.5:
            self._town.register(OutageKind.EMERGENCY, *nodes, ends=self._random.choice([1, 4, 9]))
        else:
            self._town.planned(*nodes, starts=starts, ends=starts + self._random.choice([1, 4, 9]))

    def _change(self, act: str, outage_id: UUID) -> None:
        town, chance = self._town, self._random
        if act == "end":
            town.change(outage_id, ended=True)
        elif act == "cancel":
            town.cancel(outage_id)
        elif act == "nodes":
            town.change(outage_id, node_ids=self._nodes())
        elif act == "move":
            later = town.now + chance.choice([2, 5, 26]) * HOUR
            town.change(outage_id, starts_at=later, ends_at=later + chance.choice([1, 4]) * HOUR)

    def _nodes(self) -> list[UUID]:
        return self._random.choice([[self._town.olt_id], [self._town.houses[0]], [self._town.houses[1]]])


def said_to(town: Town, *who_share_it: Served) -> list[tuple[str, str]]:
    """What a number was told, in the order in which it was said."""
    return [(one.template.removeprefix("outage_"), one.body) for one in town.messages(*who_share_it)]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_nobody_is_told_the_same_twice_or_left_in_the_dark(database: Database, seed: int) -> None:
    town = Town(database, piece=2)
    phone = factories.new_phone()
    people = [[town.live(0)], [town.live(1)], [town.live(0, phone=phone), town.live(1, phone=phone)]]
    chance = Chance(town, seed)
    for _ in range(STEPS):
        chance.happen()
    for outage_id in town.outages:
        town.change(outage_id, ended=True)
    town.deliver_sms()
    town.sleep(30)

    for person in people:
        said = said_to(town, *person)
        for earlier, later in pairwise(said):
            assert earlier != later or later[0] == "overrun", "the same twice"
        if said:
            assert said[0][0] not in {*ENDS, "moved", "new_end"}, "news of what they never heard of"
            assert said[-1][0] in ENDS, "left in the dark"
    assert town.held() == set()
    assert {town.process(one).stage for one in town.outages} == {"closed"}
