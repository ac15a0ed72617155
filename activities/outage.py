"""The steps of an outage's process, each one transaction. Repeating a step changes nothing."""

from temporalio import activity

from activities import outage_course
from activities.heartbeats import heartbeating
from activities.outage_state import call_off, is_over, locked
from activities.processes import reason_of, tell
from activities.request_links import follow_outage
from models.contracts.outage_process import OutageLook, OutageStep
from models.contracts.steps import ClosingStep
from models.database import Database
from settings import Settings


class OutageActivities:
    """What the workflow `Outage` has done for it."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="outage.go_on", no_thread_cancel_exception=True)
    def go_on(self, step: OutageStep) -> OutageLook:
        """Do the next piece of what is due, and say whether there is more and when to look again."""
        with heartbeating(), self._database.transaction() as session:
            return outage_course.go_on(session, step, self._settings)

    @activity.defn(name="outage.call_off")
    def call_off(self, step: ClosingStep) -> None:
        """Write down that somebody cancelled it; one that has ended meanwhile stays as it ended."""
        with self._database.transaction() as session:
            outage = locked(session, step.process_id)
            if is_over(outage):
                return
            call_off(outage, at=step.at)
            facts = {"reason": reason_of(session, step)}
            tell(session, step.process_id, "outage_cancelled", at=step.at, actor=step.actor, facts=facts)
            session.flush()
            follow_outage(session, step.process_id, at=step.at)
