"""A crew's visit to a subscriber: booked or moved, and told by SMS."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session
from temporalio import activity

from activities import crews
from activities.message_queue import queue_message
from activities.processes import get_process, lock_process, tell
from models.contracts.messaging import Urgency
from models.contracts.processes import Rescheduling
from models.contracts.steps import ProcessStep
from models.database import Database
from models.rules.sms_texts import Template
from models.tables.processes import Process
from settings import Settings


def book_visit(
    session: Session, process: Process, *, crew_id: UUID, starts_at: datetime, at: datetime, actor: str, key: str,
    zone: ZoneInfo,
) -> None:  # fmt: skip
    """Book a slot, or move the visit to another one, and tell the subscriber by SMS; nothing where it is so already.

    Raises:
        Refusal: as `crews.book` does.
    """
    # Two at once for one process would not see each other's visit.
    lock_process(session, process.id)
    booked = crews.visit_of(session, process.id)
    if booked is not None and (booked[0].id, booked[1][0]) == (crew_id, starts_at):
        return
    moved = booked is not None
    crew, (starts, ends) = crews.book(session, process.id, crew_id=crew_id, starts_at=starts_at, at=at, zone=zone)
    event = "visit_moved" if moved else "visit_booked"
    tell(
        session, process.id, event, key=f"{event}:{key}", at=at, actor=actor,
        facts={"crew": crew.name, "starts_at": starts.isoformat()},
    )  # fmt: skip
    local_start, local_end = (moment.astimezone(zone) for moment in (starts, ends))
    queue_message(
        session, key=f"{event}:{key}", template=Template.VISIT_MOVED if moved else Template.VISIT_BOOKED,
        facts={"date": f"{local_start:%d.%m.%Y}", "from": f"{local_start:%H:%M}", "to": f"{local_end:%H:%M}"},
        urgency=Urgency.REQUESTED, at=at, subscriber_id=process.subscriber_id, process_id=process.id,
    )  # fmt: skip


class VisitActivities:
    """What every process with a crew's visit has done for it; repeating it changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="visit.move")
    def move_visit(self, order: Rescheduling) -> None:
        """Move the booked visit to another slot.

        Raises:
            Refusal: no such slot, or it is taken.
        """
        assert order.at is not None, "the process sets its own time"
        with self._database.transaction() as session:
            process = get_process(session, order.process_id)
            book_visit(
                session, process, crew_id=order.crew_id, starts_at=order.starts_at, at=order.at, actor=order.actor,
                key=order.at.isoformat(), zone=self._settings.zone,
            )  # fmt: skip

    @activity.defn(name="visit.free")
    def free_visit(self, step: ProcessStep) -> None:
        """Free the crew's slot."""
        with self._database.transaction() as session:
            if crews.release(session, step.process_id):
                tell(session, step.process_id, "visit_freed", at=step.at)
