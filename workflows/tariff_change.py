"""Tariff change: from a subscriber's wish to a service that runs, and is charged, on another tariff."""

from temporalio import workflow

from workflows.equipped_process import EquippedProcess

with workflow.unsafe.imports_passed_through():
    from activities.debt_control import DebtControlActivities
    from activities.network import NetworkActivities
    from activities.tariff_change import TariffChangeActivities
    from models.contracts.engine import TARIFF_CHANGE
    from models.contracts.processes import ProcessKind, ProcessOutcome, ProcessStatus, TaskKind
    from models.contracts.steps import Outstanding
    from models.contracts.tariff_change import (
        Compatibility,
        DebtStep,
        EffectiveDay,
        TariffChangeInput,
        TariffChangeStage,
    )

Stage = TariffChangeStage


@workflow.defn(name=TARIFF_CHANGE)
class TariffChange(EquippedProcess):
    """Debt control, a crew's visit where other equipment or another port is needed, then network and billing."""

    @workflow.init
    def __init__(self, order: TariffChangeInput) -> None:
        super().__init__(order.process_id, order.policy.tasks)
        self._policy = order.policy

    @workflow.run
    async def run(self, order: TariffChangeInput) -> ProcessOutcome:
        """Carry the wish to its end."""
        self.begin(
            order.process_id, ProcessKind.TARIFF_CHANGE, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        return await self.carry(self._change(), close_as_cancelled=TariffChangeActivities.close_as_cancelled)

    async def _change(self) -> None:
        self.to_undo(TariffChangeActivities.give_port_back)
        await self._debt_is_controlled()
        fit: Compatibility = await self.unless_refused(self.step(TariffChangeActivities.compare_equipment, self.now()))
        if fit.needs_visit:
            await self._equipment_is_replaced(fit)
        await self._day_has_come()
        await self._tariff_takes_effect()

    async def _debt_is_controlled(self) -> None:
        order = DebtStep(process_id=self.process_id, at=workflow.now(), pay_within=self._policy.debt_expires_after)
        debt: Outstanding = await self.step(DebtControlActivities.control_debt, order)
        if not debt.outstanding_minor:
            self.stand_in(Stage.DEBT_CONTROL)
            return
        decision = await self.paid_or_decided(
            TaskKind.CONTROL_DEBT, debt.outstanding_minor,
            stage=Stage.DEBT_CONTROL, within=self.tasks.control_debt, facts={"debt_minor": debt.outstanding_minor},
            check=DebtControlActivities.check_debt, remind=DebtControlActivities.remind_of_debt,
            remind_after=self._policy.debt_reminder_after, expires_after=self._policy.debt_expires_after,
        )  # fmt: skip
        self.stop_if_impossible(decision)

    async def _equipment_is_replaced(self, fit: Compatibility) -> None:
        await self.equipment_is_reserved(
            reserve=TariffChangeActivities.reserve_equipment, release=TariffChangeActivities.release_equipment,
            stage=Stage.STOCK,
        )  # fmt: skip
        await self.crew_visits(
            TaskKind.REPLACE, within=self.tasks.replace, scheduling=Stage.SCHEDULING,
            visiting=Stage.REPLACEMENT, facts={"mount": fit.mount, "take_back": fit.take_back},
        )  # fmt: skip
        await self.act_is_signed(TariffChangeActivities.draw_up_act, stage=Stage.ACT)
        await self.unless_refused(
            self.outside(NetworkActivities.restore_profile, self.now(), summary="let the new equipment in")
        )

    async def _day_has_come(self) -> None:
        day: EffectiveDay = await self.unless_refused(self.step(TariffChangeActivities.set_day, self.now()))
        if day.starts_at > workflow.now():
            self.stand_in(Stage.EFFECTIVE_DAY, waiting_for=f"date:{day.on.isoformat()}")
            await self.sleep_until(day.starts_at, summary=f"takes effect on {day.on.isoformat()}")

    async def _tariff_takes_effect(self) -> None:
        """Network and billing together: the network first, which may be away for long; billing is a moment's work.

        Where billing refuses, the network is set back; where the network does, billing was never told.
        """
        self.stand_in(Stage.SWITCHING, waiting_for="network")
        await self.unless_refused(self.step(TariffChangeActivities.begin_switching, self.now()))
        self.to_undo(NetworkActivities.restore_profile)
        await self.unless_refused(
            self.outside(NetworkActivities.change_profile, self.now(), summary="give the service its new speed")
        )
        self.no_way_back()
        await self.unless_refused(self.step(TariffChangeActivities.take_effect, self.now()))
        self.end(ProcessStatus.COMPLETED, Stage.CLOSED)


WORKFLOWS = [TariffChange]
