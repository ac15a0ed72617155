"""The steps of a tariff change, each one transaction; and for each that takes something, the one that gives it back."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy.orm import Session
from temporalio import activity

from activities import documents, equipment_replacement, port_moves, tariff_effect
from activities.compatibility import fit_of, in_place_of
from activities.document_facts import completed_task
from activities.equipment_reservation import reserve_for
from activities.process_endings import end_as_cancelled
from activities.process_messages import say
from activities.processes import close, enter_stage, get_process, tell
from models.contracts.documents import DocumentKind, OperatorDetails
from models.contracts.messaging import Urgency
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.steps import ClosingStep, ProcessStep, Residue
from models.contracts.stock import Equipment
from models.contracts.tariff_change import Compatibility, EffectiveDay, TariffChangeStage, Timing
from models.database import Database
from models.rules.effective_day import effective_day
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.catalogue import Tariff
from models.tables.documents import Document
from models.tables.processes import Process
from models.tables.tariff_changes import TariffChange
from settings import Settings


class TariffChangeActivities:
    """What the workflow `TariffChange` has done for it. Repeating a step changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._operator = OperatorDetails(
            name=settings.operator_name,
            bin=settings.operator_bin,
            iban=settings.operator_iban,
            timezone=settings.timezone,
        )

    @activity.defn(name="tariff_change.compare_equipment")
    def compare_equipment(self, step: ProcessStep) -> Compatibility:
        """Find out whether the tariff works with what is installed, and keep a port to move to where it must be one.

        Raises:
            Refusal: the node has no free port that carries the tariff.
        """
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            change = session.get_one(TariffChange, process.id)
            tariff = session.get_one(Tariff, change.to_tariff_id)
            subscription_id = _subscription_id(process)
            fit = fit_of(session, subscription_id, tariff)
            change.equipment = fit.mount
            if fit.another_port:
                port_no = port_moves.keep_port(session, process.id, subscription_id, tariff.speed_mbps)
                port = {"tariff": tariff.code, "port": port_no}
                tell(session, process.id, "port_kept", at=step.at, facts=port)
            else:
                port_moves.release_kept_port(session, process.id)
            if fit.mount:
                unfit = {"tariff": tariff.code, "equipment": fit.mount}
                tell(session, process.id, "equipment_unfit", at=step.at, facts=unfit)
            if not fit.needs_visit:
                tell(session, process.id, "equipment_fits", at=step.at, facts={"tariff": tariff.code})
            return Compatibility(
                needs_visit=fit.needs_visit, mount=fit.mount,
                take_back=in_place_of(session, subscription_id, fit.mount),
            )  # fmt: skip

    @activity.defn(name="tariff_change.give_port_back")
    def give_port_back(self, step: ProcessStep) -> None:
        """Give the port back that was kept to move to."""
        with self._database.transaction() as session:
            port_no = port_moves.release_kept_port(session, step.process_id)
            if port_no is not None:
                tell(session, step.process_id, "kept_port_released", at=step.at, facts={"port": port_no})

    @activity.defn(name="tariff_change.reserve_equipment")
    def reserve_equipment(self, step: ProcessStep) -> Equipment:
        """Reserve the new equipment as far as stock goes, and say what is missing."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            change = session.get_one(TariffChange, process.id)
            return reserve_for(session, process, change.equipment, at=step.at)

    @activity.defn(name="tariff_change.release_equipment")
    def release_equipment(self, step: ProcessStep) -> None:
        """Give what is not mounted yet back to stock; what is mounted stays, since it is there."""
        with self._database.transaction() as session:
            subscription_id = _subscription_id(get_process(session, step.process_id))
            serials = equipment_replacement.release_reserved(session, subscription_id)
            if serials:
                tell(session, step.process_id, "equipment_released", at=step.at, facts={"serials": serials})

    @activity.defn(name="tariff_change.draw_up_act")
    def draw_up_act(self, step: ProcessStep) -> None:
        """Draw up the act of what was replaced."""
        with self._database.transaction() as session:
            enter_stage(session, step.process_id, TariffChangeStage.ACT, at=step.at)
            self._draw_up_act(session, step.process_id, step.at)

    @activity.defn(name="tariff_change.set_day")
    def set_day(self, step: ProcessStep) -> EffectiveDay:
        """Set the day on which the change takes effect, now that everything is ready, and tell the subscriber of it."""
        today = self._local_date(step.at)
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            change = session.get_one(TariffChange, process.id)
            on = effective_day(change.planned_on, today, whole_months=change.timing is Timing.NEXT_PERIOD)
            if on > today:
                tariff = session.get_one(Tariff, change.to_tariff_id)
                fee = tenge(tariff_effect.month_minor(session, tariff, on))
                enter_stage(
                    session, process.id, TariffChangeStage.EFFECTIVE_DAY, at=step.at,
                    waiting_for=f"date:{on.isoformat()}",
                )  # fmt: skip
                facts = {"tariff": tariff.code, "effective_on": on.isoformat()}
                tell(session, process.id, "effective_day_set", at=step.at, facts=facts)
                say(
                    session, process, Template.TARIFF_CHANGE_PLANNED, at=step.at, urgency=Urgency.REQUESTED,
                    tariff=tariff.title, date=f"{on:%d.%m.%Y}", sum=fee,
                )  # fmt: skip
            return EffectiveDay(on=on, starts_at=datetime.combine(on, time(), self._settings.zone))

    @activity.defn(name="tariff_change.begin_switching")
    def begin_switching(self, step: ProcessStep) -> None:
        """Look once more whether the change can be, before the network is told.

        Raises:
            Refusal: as `take_effect` does.
        """
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            enter_stage(session, process.id, TariffChangeStage.SWITCHING, at=step.at, waiting_for="network")
            change, on = session.get_one(TariffChange, process.id), self._local_date(step.at)
            tariff_effect.check(session, _subscription_id(process), change, on=on, today=on)

    @activity.defn(name="tariff_change.take_effect")
    def take_effect(self, step: ProcessStep) -> None:
        """Charge the new tariff from this day on, tell the subscriber, and end the process.

        Raises:
            Refusal: the service has ended or its final invoice is out, the tariff is sold no more or has no price, or
                the account has that tariff at this place already.
        """
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            change = session.get_one(TariffChange, process.id)
            if change.changed_on is not None:
                return
            tariff_effect.change(session, _subscription_id(process), change, on=on, today=on)
            change.changed_on = on
            self._tell_changed(session, process, session.get_one(Tariff, change.to_tariff_id), on, step.at)
            enter_stage(session, process.id, TariffChangeStage.CLOSED, at=step.at)
            tell(session, process.id, "tariff_change_closed", at=step.at)
            close(session, process.id, ProcessStatus.COMPLETED, at=step.at)

    def _tell_changed(self, session: Session, process: Process, tariff: Tariff, on: date, at: datetime) -> None:
        fee_minor = tariff_effect.month_minor(session, tariff, on)
        next_minor = tariff_effect.to_be_made_up_minor(session, _subscription_id(process), on)
        facts = {
            "tariff": tariff.code, "effective_on": on.isoformat(), "fee_minor": fee_minor, "month": f"{on:%m.%Y}",
            **({} if next_minor is None else {"next_minor": next_minor}),
        }  # fmt: skip
        tell(session, process.id, "tariff_changed", at=at, facts=facts)
        say(
            session, process, Template.TARIFF_CHANGED, at=at, urgency=Urgency.REQUESTED, tariff=tariff.title,
            date=f"{on:%d.%m.%Y}", sum=tenge(fee_minor), month=f"{on:%m.%Y}",
            next="—" if next_minor is None else tenge(next_minor),
        )  # fmt: skip

    @activity.defn(name="tariff_change.close_as_cancelled")
    def close_as_cancelled(self, step: ClosingStep) -> Residue:
        """End the process as cancelled, tell the subscriber, and say whether an act about what was replaced is open."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            expired = step.reason == "payment_expired"
            end_as_cancelled(
                session, process, step, stage=TariffChangeStage.CLOSED, event="tariff_change_cancelled",
                notice=Template.TARIFF_CHANGE_EXPIRED if expired else Template.TARIFF_CHANGE_CANCELLED,
                because="debt_not_paid" if expired else None,
            )  # fmt: skip
            return Residue(advance_minor=0, act_unsigned=self._is_act_open(session, process, step.at))

    def _is_act_open(self, session: Session, process: Process, at: datetime) -> bool:
        """Whether equipment has changed hands and its act waits for a signature that nobody has refused.

        What is mounted stays: it serves the present tariff as well, and taking it down would be another visit.
        """
        if completed_task(session, process.id, TaskKind.REPLACE, "replaced") is None:
            return False
        if completed_task(session, process.id, TaskKind.SIGN_ACT, "refused") is not None:
            documents.withdraw(session, process.id, at=at)
            return False
        return self._draw_up_act(session, process.id, at).signed_at is None

    def _draw_up_act(self, session: Session, process_id: UUID, at: datetime) -> Document:
        act = documents.draw_up_act(
            session, process_id, at=at, operator=self._operator, kind=DocumentKind.REPLACEMENT_ACT
        )
        tell(session, process_id, "act_drawn_up", at=at, facts={"number": act.number})
        return act

    def _local_date(self, at: datetime) -> date:
        return at.astimezone(self._settings.zone).date()


def _subscription_id(process: Process) -> UUID:
    assert process.subscription_id is not None, "a tariff change is about a service"
    return process.subscription_id
