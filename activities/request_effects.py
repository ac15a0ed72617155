"""What triage, the departments and the crews bring about in a request."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from activities import crews, request_acts, request_clock, request_following, subscribers
from activities.completion import Completion, Effects
from activities.connection_application import register_connection
from activities.disconnection_request import register_disconnection
from activities.field_effects import note_absence
from activities.processes import tell
from activities.request_closing import close_request
from activities.request_messages import say_to_requester
from activities.request_policies import Terms, terms_of
from activities.request_state import give_turn, in_turn, write_down
from activities.tariff_change_request import register_tariff_change
from models.contracts import request_forms as forms
from models.contracts.people import Language
from models.contracts.processes import TaskKind
from models.contracts.refusals import conflict, invalid
from models.contracts.request_words import LinkKind, PauseReason, RequestEnding, TextKind, Turn
from models.rules.sms_texts import Template
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.requests import Request
from models.tables.subscriptions import Subscription

_TURN_OF = {
    TaskKind.TRIAGE_REQUEST: Turn.TRIAGE,
    TaskKind.HANDLE_REQUEST: Turn.WORK,
    TaskKind.REPAIR: Turn.VISIT,
}


def _request(completion: Completion) -> Request:
    return in_turn(completion.session, completion.task.process_id, _TURN_OF[TaskKind(completion.task.kind)])


def _terms(completion: Completion) -> Terms:
    return terms_of(completion.session, completion.process.policy_id)


def _sort(completion: Completion) -> None:
    form, request, terms = completion.filled(forms.Sorted), _request(completion), _terms(completion)
    kind = terms.category(form.category)
    request.category, request.priority = form.category, form.priority or kind.priority
    give_turn(request, Turn.WORK, owner=form.owner or kind.department)
    request_clock.retarget(completion.session, request, terms, at=completion.at)
    completion.session.flush()
    titles = {f"title_{language}": kind.titles.of(language) for language in Language}
    completion.tell("request_sorted", department=request.owner.value, priority=request.priority.value, **titles)


def _solve(completion: Completion) -> None:
    text = completion.filled(forms.Solved).solution
    _answer_finally(completion, text, Template.REQUEST_SOLVED, RequestEnding.SOLVED, "request_solved")


def _decline(completion: Completion) -> None:
    text = completion.filled(forms.Declined).answer
    _answer_finally(completion, text, Template.REQUEST_DECLINED, RequestEnding.DECLINED, "request_declined")


def _answer_finally(
    completion: Completion, text: str, template: Template, ending: RequestEnding, event: str
) -> None:  # fmt: skip
    session, request = completion.session, _request(completion)
    key = f"solution:{completion.task.id}"
    write_down(session, request, TextKind.SOLUTION, text, key=key, at=completion.at, actor=completion.actor)
    say_to_requester(session, request, template, {"text": text}, key=f"{event}:{completion.task.id}", at=completion.at)
    close_request(session, request, ending, event=event, at=completion.at, actor=completion.actor)


def _reject(completion: Completion) -> None:
    reason = completion.filled(forms.Rejected).reason
    close_request(
        completion.session, _request(completion), RequestEnding.REJECTED, event="request_rejected", at=completion.at,
        actor=completion.actor, facts={"reason": reason},
    )  # fmt: skip


def _ask(completion: Completion) -> None:
    session, request, at = completion.session, _request(completion), completion.at
    question = completion.filled(forms.Asked).question
    request_acts.ask(
        session, request, question, key=f"question:{completion.task.id}", at=at, actor=completion.actor,
        within=_terms(completion).policy.answer_within,
    )  # fmt: skip
    request_clock.pause(session, request, PauseReason.QUESTION, at=at)
    say_to_requester(
        session, request, Template.REQUEST_QUESTION, {"text": question}, key=f"question:{completion.task.id}", at=at
    )
    assert request.asked_until is not None
    completion.tell("request_asked", until_at=request.asked_until.isoformat())


def _hand_over(completion: Completion) -> None:
    form, request = completion.filled(forms.HandedOver), _request(completion)
    if form.owner is request.owner:
        raise invalid("owner_same", "It is this department's already.", {"data.owner": "the present owner"})
    request_acts.hand_over(
        completion.session, request, form.owner, form.reason, actor=completion.actor, at=completion.at
    )  # fmt: skip


def _start(completion: Completion) -> None:
    request, what = _request(completion), completion.filled(forms.Started).start
    if isinstance(what, forms.SendCrew):
        _send_crew(completion, request, what)
        return
    process = _STARTS[type(what)](completion, request, what.order)
    session = completion.session
    request_following.begin(session, request, LinkKind.STARTED, process.id, at=completion.at)
    completion.tell("request_started", started=process.kind.value, follows=str(process.id))
    tell(
        session, process.id, "started_by_request", at=completion.at, actor=completion.actor,
        facts={"request": str(request.process_id)},
    )  # fmt: skip


def _send_crew(completion: Completion, request: Request, what: forms.SendCrew) -> None:
    if completion.process.subscriber_id is None:
        raise conflict("request_unidentified", "Say first whose request it is: PATCH its subscriber_id.")
    # The slot of an earlier visit is history; the crew's next one is a visit of its own.
    crews.release(completion.session, request.process_id)
    give_turn(request, Turn.VISIT)
    completion.session.flush()
    completion.tell("request_crew_wanted", reason=what.what_to_do)


def _start_connection(completion: Completion, request: Request, order: Any) -> Process:
    session, subscriber_id = completion.session, completion.process.subscriber_id
    if subscriber_id is None and order.subscriber is not None:
        subscriber_id = subscribers.register(session, order.subscriber, on=completion.on).subscriber.id
        request_acts.identify(session, request, subscriber_id, actor=completion.actor, at=completion.at)
    if subscriber_id is None or (order.subscriber_id or subscriber_id) != subscriber_id:
        raise _of_another()
    order = order.model_copy(update={"subscriber": None, "subscriber_id": subscriber_id})
    process, _ = register_connection(
        session, order, actor=completion.actor, idempotency_key=None, at=completion.at, on=completion.on
    )
    return process


def _start_disconnection(completion: Completion, request: Request, order: Any) -> Process:
    del request
    _check_theirs(completion.session, completion.process, order.subscription_id)
    process, _ = register_disconnection(
        completion.session, order, actor=completion.actor, idempotency_key=None, at=completion.at,
        zone=completion.settings.zone,
    )  # fmt: skip
    return process


def _start_tariff_change(completion: Completion, request: Request, order: Any) -> Process:
    del request
    _check_theirs(completion.session, completion.process, order.subscription_id)
    process, _ = register_tariff_change(
        completion.session, order, actor=completion.actor, idempotency_key=None, at=completion.at, on=completion.on
    )
    return process


_STARTS: dict[type[Any], Callable[[Completion, Request, Any], Process]] = {
    forms.StartConnection: _start_connection,
    forms.StartDisconnection: _start_disconnection,
    forms.StartTariffChange: _start_tariff_change,
}


def _check_theirs(session: Session, process: Process, subscription_id: Any) -> None:
    subscription = session.get(Subscription, subscription_id)
    owner = None if subscription is None else session.get_one(Account, subscription.account_id).subscriber_id
    if subscription is not None and owner != process.subscriber_id:
        raise _of_another()


def _of_another() -> Exception:
    return conflict(
        "request_of_another",
        "What is started must be for the subscriber of the request: say first whose request it is, by PATCH.",
    )


def _repaired(completion: Completion) -> None:
    _visit_is_over(completion, "request_repaired", completion.filled(forms.Repaired).report)


def _not_repaired(completion: Completion) -> None:
    _visit_is_over(completion, "request_not_repaired", completion.filled(forms.NotRepaired).report)


def _visit_is_over(completion: Completion, event: str, report: str) -> None:
    request = _request(completion)
    give_turn(request, Turn.WORK)
    completion.session.flush()
    completion.tell(event, report=report)


REQUEST_EFFECTS: Effects = {
    (TaskKind.TRIAGE_REQUEST, "sorted"): _sort,
    (TaskKind.TRIAGE_REQUEST, "solved"): _solve,
    (TaskKind.TRIAGE_REQUEST, "rejected"): _reject,
    (TaskKind.HANDLE_REQUEST, "solved"): _solve,
    (TaskKind.HANDLE_REQUEST, "ask"): _ask,
    (TaskKind.HANDLE_REQUEST, "handed_over"): _hand_over,
    (TaskKind.HANDLE_REQUEST, "start"): _start,
    (TaskKind.HANDLE_REQUEST, "declined"): _decline,
    (TaskKind.HANDLE_REQUEST, "rejected"): _reject,
    (TaskKind.REPAIR, "repaired"): _repaired,
    (TaskKind.REPAIR, "absent"): note_absence,
    (TaskKind.REPAIR, "not_repaired"): _not_repaired,
}
