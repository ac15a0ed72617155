"""What accounting brings about in a bank's day: registries, differences, the bank's transfer."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from activities import bank_settlement, comparison, difference_actions, differences_together, registries
from activities.bank_day_opening import lock_day
from activities.completion import Completion, Effects
from activities.difference_actions import Decision
from activities.reconciliation_news import tell_days
from models.contracts import reconciliation_forms as forms
from models.contracts.processes import TaskKind, TaskStatus
from models.contracts.refusals import conflict, invalid
from models.tables.processes import Task
from models.tables.reconciliation import Reconciliation


def _day(completion: Completion, *, lock: bool = True) -> Reconciliation:
    day_id = completion.session.scalars(
        select(Reconciliation.id).where(Reconciliation.process_id == completion.task.process_id)
    ).one()
    if lock:
        return comparison.lock(completion.session, day_id)
    return completion.session.get_one(Reconciliation, day_id)


def _decision(completion: Completion, *, account_no: str | None = None, reason: str | None = None) -> Decision:
    return Decision(
        completion.actor, completion.at, completion.settings.zone, account_no=account_no, reason=reason or None
    )


# -- registries -------------------------------------------------------------------------------------------------------


def _registry_is_here(completion: Completion) -> None:
    if _day(completion).registry_id is None:
        raise conflict(
            "registry_missing", "There is no registry of this day yet: send it to POST /bank/v1/registries first."
        )
    completion.tell("registry_brought")


def _nothing_was_paid(completion: Completion) -> None:
    form = completion.filled(forms.NothingWasPaid)
    unlocked = _day(completion, lock=False)
    lock_day(completion.session, unlocked.bank_id, unlocked.day_on)
    day = _day(completion)
    if day.registry_id is not None:
        raise conflict("registry_here", "A registry has come meanwhile: this task goes by itself.")
    registries.take_nothing(completion.session, day, reason=form.reason, actor=completion.actor, at=completion.at)
    completion.tell("nothing_was_paid", reason=form.reason)


def _accept_registry(completion: Completion) -> None:
    form = completion.filled(forms.RegistryAccepted)
    _decide(completion, accept=True, reason=form.reason)
    completion.tell("registry_accepted", version=completion.task.facts["version"], reason=form.reason)


def _refuse_registry(completion: Completion) -> None:
    form = completion.filled(forms.RegistryRefused)
    _decide(completion, accept=False, reason=form.reason)
    completion.tell("registry_refused", version=completion.task.facts["version"], reason=form.reason)


def _decide(completion: Completion, *, accept: bool, reason: str) -> None:
    registries.decide(
        completion.session, UUID(completion.task.facts["registry_id"]), _day(completion), accept=accept, reason=reason,
        actor=completion.actor, at=completion.at,
    )  # fmt: skip


# -- differences ------------------------------------------------------------------------------------------------------


def _carry_out(event: str) -> Callable[[Completion], None]:
    def effect(completion: Completion) -> None:
        form = completion.form
        decision = _decision(
            completion, account_no=getattr(form, "account_no", None), reason=getattr(form, "comment", None)
        )
        difference = difference_actions.carry_out(completion.session, _difference_id(completion), decision)
        completion.tell(
            event, txn_id=difference.txn_id,
            **{name: value for name, value in completion.task.facts.items() if name.endswith("_minor") and value},
        )  # fmt: skip

    return effect


def _leave(completion: Completion) -> None:
    form = completion.filled(forms.DifferenceLeft)
    difference = difference_actions.leave(
        completion.session, _difference_id(completion), _decision(completion, reason=form.reason)
    )
    completion.tell("difference_left", txn_id=difference.txn_id, reason=form.reason)


def _difference_id(completion: Completion) -> UUID:
    return UUID(completion.task.facts["difference_id"])


def _carry_out_together(completion: Completion) -> None:
    form = completion.filled(forms.DifferencesCarriedOut)
    wanted = differences_together.want_all(
        completion.session, _day(completion), form.kinds, _with_tasks_of_their_own(completion), _decision(completion)
    )
    if not wanted:
        raise invalid(
            "nothing_to_carry_out", "Nothing can be carried out for these kinds: leave them with a reason.",
            {"data.kinds": "nothing to carry out"},
        )  # fmt: skip
    completion.tell("differences_carried_out", count=wanted)


def _leave_together(completion: Completion) -> None:
    form = completion.filled(forms.DifferencesLeft)
    left = differences_together.leave_all(
        completion.session, _day(completion), form.kinds, _with_tasks_of_their_own(completion),
        _decision(completion, reason=form.reason),
    )  # fmt: skip
    if not left:
        raise invalid("nothing_to_leave", "There are no differences of these kinds.", {"data.kinds": "none of these"})
    completion.tell("differences_left", count=left, reason=form.reason)


def _with_tasks_of_their_own(completion: Completion) -> list[UUID]:
    """Differences that somebody is asked about one by one."""
    open_tasks = completion.session.scalars(
        select(Task.facts).where(
            Task.process_id == completion.task.process_id,
            Task.status == TaskStatus.OPEN,
            Task.facts.has_key("difference_id"),
        )
    )
    return [UUID(facts["difference_id"]) for facts in open_tasks]


# -- settlement -------------------------------------------------------------------------------------------------------


def _settle(completion: Completion) -> None:
    form = completion.filled(forms.DaySettled)
    day = _day(completion, lock=False)
    bank_settlement.lock_bank(completion.session, day.bank_id)
    transfer = bank_settlement.line_transfer(
        completion.session, form.line_ids, actor=completion.actor, at=completion.at, reason=form.reason
    )
    _settle_by_hand(completion, day, transfer, form)


def _receive(completion: Completion) -> None:
    form = completion.filled(forms.DayReceived)
    day = _day(completion, lock=False)
    if form.received_on > completion.on or form.received_on < day.day_on:
        raise invalid(
            "received_when", "The money came between the day of the payments and today.",
            {"data.received_on": "before the payments, or in the future"},
        )  # fmt: skip
    transfer = bank_settlement.Transfer(
        form.amount.amount_minor, form.received_on, completion.actor, completion.at, reference=form.reference
    )
    _settle_by_hand(completion, day, transfer, form)


def _settle_by_hand(
    completion: Completion,
    day: Reconciliation,
    transfer: bank_settlement.Transfer,
    form: forms.DaySettled | forms.DayReceived,
) -> None:
    settled = bank_settlement.settle_by_hand(
        completion.session, day.bank_id, form.days or [day.day_on], transfer, fee_minor=form.fee_minor
    )
    tell_days(completion.session, [day_id for day_id in settled.day_ids if day_id != day.id])


def _leave_in_transit(completion: Completion) -> None:
    form = completion.filled(forms.DayLeft)
    bank_settlement.leave(completion.session, _day(completion), at=completion.at)
    completion.tell("bank_day_left", reason=form.reason)


RECONCILIATION_EFFECTS: Effects = {
    (TaskKind.GET_REGISTRY, "received"): _registry_is_here,
    (TaskKind.GET_REGISTRY, "nothing_was_paid"): _nothing_was_paid,
    (TaskKind.CHECK_REGISTRY, "accepted"): _accept_registry,
    (TaskKind.CHECK_REGISTRY, "refused"): _refuse_registry,
    (TaskKind.POST_PAYMENT, "posted"): _carry_out("missing_payment_posted"),
    (TaskKind.POST_PAYMENT, "left"): _leave,
    (TaskKind.REVERSE_PAYMENT, "reversed"): _carry_out("extra_payment_reversed"),
    (TaskKind.REVERSE_PAYMENT, "left"): _leave,
    (TaskKind.CORRECT_PAYMENT, "corrected"): _carry_out("payment_corrected"),
    (TaskKind.CORRECT_PAYMENT, "left"): _leave,
    (TaskKind.ACCEPT_DATE, "accepted"): _carry_out("payment_date_accepted"),
    (TaskKind.ACCEPT_DATE, "left"): _leave,
    (TaskKind.EXPLAIN_DIFFERENCE, "left"): _leave,
    (TaskKind.RESOLVE_DIFFERENCES, "carried_out"): _carry_out_together,
    (TaskKind.RESOLVE_DIFFERENCES, "left"): _leave_together,
    (TaskKind.SETTLE_BANK_DAY, "settled"): _settle,
    (TaskKind.SETTLE_BANK_DAY, "received"): _receive,
    (TaskKind.SETTLE_BANK_DAY, "left"): _leave_in_transit,
}
