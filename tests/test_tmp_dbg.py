import pytest
from tests.reconciliation_paths import *
@pytest.mark.parametrize("n", range(12))
def test_dbg(n, database, time_skipping):
    server = time_skipping()
    with bank_world(database, server, steps=LastMoment(database, SETTINGS)) as world:
        PATHS["registry_overdue"](world)
        try:
            world.outcome()
        except RuntimeError as e:
            d = world.reconciliation()
            print("FAILED", e, d.ready_at, d.settled_at, d.gross_minor, d.fee_minor, world.events(), world.process().stage, world.now())
            h = world.server.run(world.handle().fetch_history())
            for e in h.events[-40:]:
                print(e.event_id, e.event_type, e.event_time.ToJsonString(), str(e)[100:400].replace("\n"," "))
            raise
