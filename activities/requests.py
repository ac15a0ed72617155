"""The steps of a request's process."""

from sqlalchemy.orm import Session
from temporalio import activity

from activities import request_acts, request_clock, request_following, request_outages
from activities.message_queue import withdraw_unsent
from activities.processes import enter_stage, reason_of, tell
from activities.request_closing import close_request
from activities.request_messages import has_heard, say_to_requester
from activities.request_state import locked, stand_of
from activities.tasks import withdraw_forgotten
from models.contracts.request_process import RequestLook, RequestStand
from models.contracts.request_words import LinkKind, RequestEnding, RequestStage, Turn
from models.contracts.steps import ClosingStep, ProcessStep, Residue
from models.database import Database
from models.rules.sms_texts import Template
from models.tables.processes import Task
from models.tables.requests import Request

CANCELLED_REASON = "request_cancelled"
"""Why an SMS was withdrawn."""
_WAITS_IN = {Turn.FOLLOWING: RequestStage.FOLLOWING, Turn.QUESTION: RequestStage.QUESTION}


class RequestActivities:
    """What the workflow `Request` has done for it. Repeating a step changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="request.look")
    def look(self, step: RequestLook) -> RequestStand:
        """Look how the request stands, and do what follows from what it follows."""
        with self._database.transaction() as session:
            request = locked(session, step.process_id)
            self._look_at_what_answers_it(session, request, step)
            stand = stand_of(session, request)
            if step.begins_turn:
                self._begin_turn(session, request, stand, step)
            return stand

    def _look_at_what_answers_it(self, session: Session, request: Request, step: RequestLook) -> None:
        if request.turn is not Turn.FOLLOWING:
            request_outages.join_if_it_came_first(session, request, at=step.at)
        elif request_following.followed_by(session, request).kind is LinkKind.OUTAGE:
            request_outages.look(session, request, at=step.at)
        else:
            request_following.look(session, request, at=step.at)

    def _begin_turn(self, session: Session, request: Request, stand: RequestStand, step: RequestLook) -> None:
        # What a crash made the process forget, before somebody else moved the request on.
        is_this_turns = Task.facts["turn"].as_integer() == request.turns
        withdraw_forgotten(session, request.process_id, unless=is_this_turns, at=step.at)
        stage = _WAITS_IN.get(request.turn)
        if stage is not None:
            awaited = "answer" if stand.follows is None else str(stand.follows)
            enter_stage(session, request.process_id, stage, at=step.at, waiting_for=awaited)

    @activity.defn(name="request.watch_clock")
    def watch_clock(self, step: ProcessStep) -> RequestStand:
        """Tell the head of the department what the clock has to say by now."""
        with self._database.transaction() as session:
            request = locked(session, step.process_id)
            request_clock.tell_what_is_due(session, request, at=step.at)
            return stand_of(session, request)

    @activity.defn(name="request.give_up_waiting")
    def give_up_waiting(self, step: ProcessStep) -> RequestStand:
        """Go on without the subscriber's answer."""
        with self._database.transaction() as session:
            request = locked(session, step.process_id)
            request_acts.give_up_waiting(session, request, at=step.at)
            return stand_of(session, request)

    @activity.defn(name="request.close_as_cancelled")
    def close_as_cancelled(self, step: ClosingStep) -> Residue:
        """End the request for the reason of whoever wanted it. Who was told nothing of it yet is told nothing now."""
        with self._database.transaction() as session:
            request = locked(session, step.process_id)
            if request.turn is Turn.CLOSED:
                tell(session, step.process_id, "request_cancelled_too_late", at=step.at)
            else:
                self._cancel(session, request, step)
            return Residue(advance_minor=0)

    def _cancel(self, session: Session, request: Request, step: ClosingStep) -> None:
        withdraw_forgotten(session, step.process_id, at=step.at)
        request_following.leave(session, request, at=step.at)
        withdraw_unsent(session, step.process_id, at=step.at, reason=CANCELLED_REASON)
        if has_heard(session, step.process_id):
            key = f"request_cancelled:{step.process_id}:{request.round}"
            say_to_requester(session, request, Template.REQUEST_CANCELLED, {}, key=key, at=step.at)
        close_request(
            session, request, RequestEnding.CANCELLED, event="request_cancelled", at=step.at,
            reason=reason_of(session, step),
        )  # fmt: skip
