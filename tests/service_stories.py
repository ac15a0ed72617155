"""What may happen to a service over some months, played on the program and, day by day, on the oracle beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import final_billing, invoicing, service_terms, services
from activities.outage_credits import credit_part
from models.contracts.catalogue import Charging, VatMode
from models.contracts.outage import CreditRule, OutageKind
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import Refusal
from models.contracts.services import NewCharge, NewDiscount
from models.tables.billing import CreditNote, Invoice, InvoiceLine, Recalculation, RecalculationLine
from models.tables.outages import Outage, OutageAffected
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.subscriptions import Charge, Subscription
from tests import factories
from tests.billing_histories import LONG_AGO, bill, next_month, priced_tariff
from tests.billing_oracle import (
    ChargeFacts,
    DiscountFacts,
    Rules,
    ServiceFacts,
    Sums,
    TariffFacts,
    credits_of,
    hours_beyond,
    lines_of,
    once_lines,
)

DAY = timedelta(days=1)
HORIZON = 400
"""Days ahead that the oracle knows of a service without an end."""

Act = tuple[str, int, int, int]
"""What is done, how many days after the act before it, and two numbers that say how."""


def tariffs_of(session: Session, month: date) -> list[TariffFacts]:
    """Charged in advance and in arrears, VAT inside and on top, one whose price changes in mid-month."""
    middle = next_month(month) + timedelta(days=13)
    return [
        priced_tariff(session, [(LONG_AGO, 650_000)]),
        priced_tariff(session, [(LONG_AGO, 333_333), (middle, 399_999)], vat_mode=VatMode.ON_TOP),
        priced_tariff(session, [(LONG_AGO, 990_001)], charging=Charging.ARREARS),
        priced_tariff(
            session, [(LONG_AGO, 1_000_000), (middle, 1)], charging=Charging.ARREARS, vat_mode=VatMode.ON_TOP
        ),
    ]


@dataclass
class Story:
    """One service of an account, and what is true of it."""

    session: Session
    account: Account
    tariffs: Sequence[TariffFacts]
    rules: Rules
    today: date
    facts: ServiceFacts
    disconnection: UUID | None = None
    ending_on: date | None = None
    ended: bool = False
    suspended: bool = False
    changed: list[tuple[UUID, UUID, date]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    away: set[int] = field(default_factory=set)
    """Hours without service."""
    credited: set[int] = field(default_factory=set)
    """Those of them that outages gave something back for."""
    bank_id: UUID = field(default_factory=lambda: UUID(int=0))

    @classmethod
    def begin(
        cls,
        session: Session,
        account: Account,
        tariffs: Sequence[TariffFacts],
        rules: Rules,
        *,
        on: date,
        upfront: bool,
    ) -> "Story":
        """A service that begins on a day, with its first month on the connection invoice or not."""
        tariff = tariffs[0]
        row = factories.subscription(session, account, tariff_id=tariff.id)
        if upfront:
            connection_id = closed_process(session, ProcessKind.CONNECTION, row)
            session.get_one(Process, connection_id).subscription_id = row.id
            session.flush()
            invoicing.issue_connection_invoice(
                session, process_id=connection_id, account_id=account.id, tariff_id=tariff.id, equipment=[],
                issued_on=on, due_on=on,
            )  # fmt: skip
        services.begin(session, row, on=on)
        session.flush()
        facts = ServiceFacts(row.id, {on + DAY * ahead: (tariff, "active") for ahead in range(HORIZON)})
        return cls(
            session, account, tariffs, rules, on, facts, bank_id=factories.bank(session).row.id
        )  # fmt: skip

    # -- what may happen ------------------------------------------------------------------------------------------

    def play(self, act: str, how: int, much: int) -> None:
        """Do something today; what is refused leaves both sides as they were."""
        try:
            with self.session.begin_nested():
                getattr(self, act)(how, much)
        except Refusal as refusal:
            self.refused.append(refusal.slug)

    def change_tariff(self, how: int, much: int) -> None:
        on = self.today + DAY * (how % 40)
        tariff = self.tariffs[much % len(self.tariffs)]
        before = services.change_tariff(self.session, self.facts.id, tariff.id, on=on, today=self.today)
        self.changed.append((before, tariff.id, on))
        self._days(on, None, lambda _, state: (tariff, state))

    def undo_tariff_change(self, how: int, much: int) -> None:
        del how, much
        if not self.changed:
            return
        before, after, on = self.changed[-1]
        services.undo_tariff_change(
            self.session, self.facts.id, from_tariff_id=before, to_tariff_id=after, on=on, today=self.today
        )
        self.changed.pop()
        old = next(tariff for tariff in self.tariffs if tariff.id == before)
        self._days(on, None, lambda tariff, state: (old if tariff.id == after else tariff, state))

    def freeze(self, how: int, much: int) -> None:
        from_on = self.today + DAY * (how % 25 - 5)
        until_on = None if much % 7 == 0 else from_on + DAY * (1 + much % 40)
        services.freeze(self.session, self.facts.id, from_on=from_on, until_on=until_on, today=self.today)
        self._days(from_on, until_on, lambda tariff, _: (tariff, "frozen"))

    def unfreeze(self, how: int, much: int) -> None:
        del much
        on = self.today + DAY * (how % 10 - 3)
        services.unfreeze(self.session, self.facts.id, on=on, today=self.today)
        frozen = {day for day, (_, state) in self.facts.days.items() if state == "frozen" and day >= on}
        begins = min(frozen)
        ends = next(day for day in (begins + DAY * ahead for ahead in range(HORIZON + 1)) if day not in frozen)
        state = "suspended" if self.suspended else "active"
        self._days(begins, ends, lambda tariff, _: (tariff, state))

    def suspend(self, how: int, much: int) -> None:
        del how, much
        if not self.suspended:
            services.suspend(self.session, self.facts.id, on=self.today, today=self.today)
            self.suspended = True
            self._days(self.today, None, lambda tariff, now: (tariff, "suspended" if now == "active" else now))

    def resume(self, how: int, much: int) -> None:
        del how, much
        services.resume(self.session, self.facts.id, on=self.today, today=self.today)
        self.suspended = False
        self._days(self.today, None, lambda tariff, now: (tariff, "active" if now == "suspended" else now))

    def add_discount(self, how: int, much: int) -> None:
        since, until = self.today, None if how % 3 == 0 else self.today + DAY * (1 + how % 50)
        size = {"percent": 1 + much % 100} if how % 2 else {"amount": {"amount_minor": 1 + much * 997}}
        new = NewDiscount.model_validate({"title": "Акция", "from": since, "until": until, **size})
        row = service_terms.add_discount(self.session, self.facts.id, new, actor="test", today=self.today).discount
        self.facts.discounts.append(
            DiscountFacts(row.id, row.percent_bp, row.amount_minor, since, until or date.max, row.position)
        )

    def add_charge(self, how: int, much: int) -> None:
        if self.disconnection is not None:
            return
        once = how % 2 == 0
        until = None if once or how % 3 == 0 else self.today + DAY * (1 + how % 50)
        new = NewCharge.model_validate(
            {
                "kind": "one_off" if once else "equipment", "description": "Аренда роутера", "from": self.today,
                "until": until, "amount": {"amount_minor": 1 + much * 1009}, "vat_mode": list(VatMode)[how % 4 // 2],
            }
        )  # fmt: skip
        row = service_terms.add_charge(self.session, self.facts.id, new, actor="test", today=self.today).charge
        on_top = row.vat_mode is VatMode.ON_TOP
        self.facts.charges.append(
            ChargeFacts(row.id, once, row.amount_minor, self.today, until or date.max, on_top)
        )  # fmt: skip

    def outage(self, how: int, much: int) -> None:
        """An outage of some hours has ended, and is credited twice."""
        start = datetime.combine(self.today, time(), UTC) - timedelta(hours=how)
        ended = start + timedelta(hours=1 + much % 60)
        process_id = factories.process(self.session, kind=ProcessKind.OUTAGE, account=self.account).id
        self.session.add(
            Outage(
                process_id=process_id, kind=OutageKind.EMERGENCY, reason="обрыв", starts_at=start, ends_at=ended,
                registered_at=start, ended_at=ended,
            )
        )  # fmt: skip
        self.session.flush()
        self.session.add(
            OutageAffected(
                outage_id=process_id, position=1, subscription_id=self.facts.id, account_id=self.account.id,
                subscriber_id=self.account.subscriber_id,
            )
        )  # fmt: skip
        self.session.flush()
        for _ in range(2):
            credit_part(
                self.session, process_id, after=0, size=10, at=ended, rule=CreditRule(), zone=ZoneInfo("UTC")
            )  # fmt: skip
        self.away |= set(range(int(start.timestamp()) // 3600, int(ended.timestamp()) // 3600))
        hours = hours_beyond(self.away, 1) - self.credited
        self.credited |= hours
        self._give_back(process_id, hours)

    def _give_back(self, outage_id: UUID, hours: set[int]) -> None:
        """What was given back is what the oracle says, and from now on a fact."""
        given: dict[date, int] = {}
        for charge in self.facts.charges:
            if charge.amount_minor < 0:
                month = charge.since.replace(day=1)
                given[month] = given.get(month, 0) - charge.amount_minor
        wanted = credits_of(self.facts, hours, self.rules, until=self.ending_on, given=given)
        rows = self.session.scalars(
            select(Charge).where(Charge.outage_id == outage_id).order_by(func.lower(Charge.during))
        ).all()
        assert [
            (row.during.lower, -row.amount_minor, row.vat_mode is VatMode.ON_TOP) for row in rows
        ] == [(one.since, one.amount_minor, one.vat_on_top) for one in wanted]  # fmt: skip
        self.facts.charges += [
            ChargeFacts(row.id, True, row.amount_minor, one.since, one.since + DAY, one.vat_on_top)
            for row, one in zip(rows, wanted, strict=True)
        ]

    def disconnect(self, how: int, much: int) -> None:
        """A final invoice; or with one out, the end itself."""
        if self.disconnection is None:
            if self.ended:
                return
            process_id = self._process()
            end_on = self.today + DAY * (how % 30)
            for _ in range(2):
                final_billing.issue(
                    self.session, process_id=process_id, subscription_id=self.facts.id, end_on=end_on,
                    issued_on=self.today, due_on=self.today + DAY * 5,
                )  # fmt: skip
            self.disconnection, self.ending_on = process_id, end_on
            return
        self.end(how, much)

    def end(self, how: int, much: int) -> None:
        """The service ends today, with or without a final invoice before."""
        del much
        if self.ended:
            return
        if self.disconnection is None:
            self.disconnection = self._process()
        on = self.today + DAY * (how % 2)
        for _ in range(2):
            final_billing.end_service(
                self.session, process_id=self.disconnection, subscription_id=self.facts.id, on=on, today=self.today,
                due_on=self.today,
            )  # fmt: skip
        ended_on = on if self.ending_on is None else min(on, self.ending_on)
        self.facts.days = {day: now for day, now in self.facts.days.items() if day < ended_on}
        # What was to be charged once on a day that never came is charged only where it stood on a bill before.
        billed = {line.charge_id for line in billed_lines(self.session, self.facts.id)}
        self.facts.charges = [
            charge
            for charge in self.facts.charges
            if not charge.once or charge.since < ended_on or (charge.amount_minor > 0 and charge.id in billed)
        ]
        self.ended, self.disconnection, self.ending_on = True, None, None

    def give_up(self, how: int, much: int) -> None:
        del how, much
        if self.disconnection is None:
            return
        for _ in range(2):
            final_billing.give_up(
                self.session, process_id=self.disconnection, subscription_id=self.facts.id, issued_on=self.today,
                due_on=self.today + DAY * 5,
            )  # fmt: skip
        self.disconnection = self.ending_on = None

    def pay(self, how: int, much: int) -> None:
        factories.pay(self.session, self.bank_id, self.account, 1 + how * 10_000 + much)

    def _process(self) -> UUID:
        row = self.session.get_one(Subscription, self.facts.id)
        return closed_process(self.session, ProcessKind.DISCONNECTION, row)

    def _days(
        self, from_on: date, until_on: date | None, how: Callable[[TariffFacts, str], tuple[TariffFacts, str]]
    ) -> None:
        for day, now in self.facts.days.items():
            if from_on <= day and (until_on is None or day < until_on):
                self.facts.days[day] = how(*now)


def closed_process(session: Session, kind: ProcessKind, subscription: Subscription) -> UUID:
    """A process of a service that is over already, so that the service may have another one."""
    process = factories.process(session, kind=kind, account=session.get_one(Account, subscription.account_id))
    process.status, process.closed_at = ProcessStatus.COMPLETED, factories.NOW
    session.flush()
    return process.id


def billed_lines(session: Session, subscription_id: UUID) -> list[InvoiceLine | RecalculationLine]:
    """All that was ever billed for a service, and given back by billing."""
    return [
        *session.scalars(select(InvoiceLine).where(InvoiceLine.subscription_id == subscription_id)),
        *session.scalars(select(RecalculationLine).where(RecalculationLine.subscription_id == subscription_id)),
    ]


def billed_for(session: Session, facts: ServiceFacts, month: date) -> Sums:
    """What was billed for a month of a service; a line of the connection invoice is for the month of its beginning."""
    begun = session.get_one(Subscription, facts.id).active_from
    assert begun is not None
    lines = [
        line for line in billed_lines(session, facts.id) if (line.service_month_on or begun.replace(day=1)) == month
    ]
    return Sums(sum(line.net_minor for line in lines), sum(line.vat_minor for line in lines))


def owed_for(facts: ServiceFacts, month: date, rules: Rules) -> Sums:
    """What a month of it costs, day by day."""
    lines = [*lines_of(facts, month, rules), *once_lines(facts, month)]
    return Sums(sum(line.sums.net for line in lines), sum(line.sums.vat for line in lines))


def documented_minor(session: Session, account: Account) -> tuple[int, int]:
    """What the documents of an account ask for, and what their lines add up to: invoices less credit notes."""
    invoiced = session.scalar(select(func.sum(Invoice.total_minor)).where(Invoice.account_id == account.id))
    credited = session.scalar(
        select(func.sum(CreditNote.total_minor))
        .join(Invoice, Invoice.id == CreditNote.invoice_id)
        .where(Invoice.account_id == account.id)
    )
    lines = session.scalar(
        select(func.sum(InvoiceLine.total_minor))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Invoice.account_id == account.id)
    )
    given_back = session.scalar(
        select(func.sum(RecalculationLine.total_minor))
        .join(Recalculation, Recalculation.id == RecalculationLine.recalculation_id)
        .where(Recalculation.account_id == account.id)
    )
    return int(invoiced or 0) - int(credited or 0), int(lines or 0) + int(given_back or 0)


def live_through(told: Sequence[Story], acts: Sequence[Sequence[Act]], *, until: date, run_day: int) -> date:
    """Let the stories of one account happen day by day, with the monthly runs in between; answers the day after."""
    today = told[0].today
    days: dict[date, list[tuple[Story, Act]]] = {}
    for story, of_story in zip(told, acts, strict=True):
        day = today
        for act in of_story:
            day += DAY * act[1]
            days.setdefault(day, []).append((story, act))
    while today < until:
        if today.day == run_day:
            run_month(told[0].session, told[0].account, today, told[0].rules)
        for story, (name, _, how, much) in days.get(today, []):
            story.today = today
            story.play(name, how, much)
        today += DAY
    for story in told:
        story.today = today
    return today


def run_month(session: Session, account: Account, today: date, rules: Rules) -> None:
    """The run of this month, and once more: the second time adds nothing."""
    before: tuple[int, int] | None = None
    for _ in range(2):
        figures = bill(session, [account], today.replace(day=1), rules=rules, issued_on=today)
        assert figures.exceptions == 0
        if before is not None:
            assert (figures.invoices, figures.credited) == (0, 0)
            assert documented_minor(session, account) == before
        before = documented_minor(session, account)
