"""What an outage gives back to the services that it affected: credits, which stand on their next bills as lines.

A credit is reckoned once, when the outage has ended, from what billing would charge for those days at that moment. It
is a charge of less than nothing: whatever bills the service next takes it along, a final invoice too, and where the
bill comes to less than nothing it is given back by credit notes as anything else is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import billing_collection
from activities.policies import billing_policy
from models.contracts.catalogue import ChargeKind, VatMode
from models.contracts.outage import CreditRule, OutageKind
from models.contracts.processes import PROCESS_ACTOR
from models.rules.invoice_words import month_in_words
from models.rules.money import BASIS_POINTS
from models.rules.outage_credit import (
    CreditLine,
    CreditTerms,
    Interruption,
    OutageCredit,
    PaidDays,
    Span,
    credit,
    span_of,
)
from models.tables.outage_credits import CreditedOutage
from models.tables.outages import Outage, OutageAffected
from models.tables.subscriptions import Charge

_ONE_PERCENT_BP = BASIS_POINTS // 100
_MINUTE = timedelta(minutes=1)

# Credits of outages that overlap depend on each other: whoever reckons some waits for the others.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('outage_credits', 0))")

# The fee that is left after the last discount, and how its tariff is priced.
_PAID_DAYS = text("""
    SELECT DISTINCT ON (line.subscription_id, line.month_on, line.from_day)
           line.subscription_id, line.month_on, line.from_day, line.to_day, line.left_minor, line.vat_rate_bp,
           served.vat_mode, served.title
    FROM bill_line AS line
    JOIN bill_service AS served
      ON served.subscription_id = line.subscription_id AND served.month_on = line.month_on
     AND served.from_day <= line.from_day AND line.from_day < served.to_day
    ORDER BY line.subscription_id, line.month_on, line.from_day, line.place DESC
""")


@dataclass(frozen=True)
class CreditPart:
    """What came of some of the services that an outage affected."""

    next_position: int | None
    """After which position to go on; none where these were the last."""
    credited: int
    """Services that get something back."""
    credited_minor: int
    """With VAT."""


@dataclass
class _Service:
    """What the credit of a service is reckoned from."""

    subscription_id: UUID
    outage: Span
    known: list[Interruption]
    paid: list[PaidDays]
    titles: dict[tuple[date, int], str]
    """The tariff of paid days, by month and first day."""
    given_minor: dict[date, int]


def credit_part(
    session: Session, outage_id: UUID, *, after: int, size: int, at: datetime, rule: CreditRule, zone: ZoneInfo
) -> CreditPart:
    """Credit the next `size` services of an outage that has ended, those that stand after a position in its list.

    Each service once, however often it is asked for: what was credited before is answered again. Nothing is given for
    days that are not charged (suspended or frozen ones by the policy `billing`, those before the beginning and after
    the end), nor for days that have no price yet, nor for minutes that another outage has credited.
    """
    outage = session.get_one(Outage, outage_id)
    if outage.ended_at is None or (outage.kind is OutageKind.PLANNED and not rule.credits_planned):
        return CreditPart(None, 0, 0)
    rows = session.execute(
        select(
            OutageAffected.position,
            OutageAffected.subscription_id,
            func.greatest(OutageAffected.from_at, outage.starts_at).label("from_at"),
            func.least(OutageAffected.until_at, outage.ended_at).label("until_at"),
        )
        .where(OutageAffected.outage_id == outage_id, OutageAffected.position > after)
        .order_by(OutageAffected.position)
        .limit(size)
    ).all()
    affected = {row.subscription_id: span_of(row.from_at, row.until_at) for row in rows}
    session.execute(_ONE_AT_A_TIME)
    done = _reckoned(session, outage_id, affected)
    spans = {one: span for one, span in affected.items() if one not in done and span.start < span.end}
    terms = CreditTerms(rule.threshold // _MINUTE, rule.cap_percent * _ONE_PERCENT_BP)
    found = _reckon(session, outage_id, spans, terms, zone) if spans else []
    _write(session, outage_id, found, at)
    given = [*done.values(), *(one.total_minor for _, one in found)]
    return CreditPart(
        next_position=rows[-1].position if len(rows) == size else None,
        credited=sum(total_minor > 0 for total_minor in given),
        credited_minor=sum(given),
    )


def _reckoned(session: Session, outage_id: UUID, affected: Iterable[UUID]) -> dict[UUID, int]:
    """The services for which this outage is reckoned already, and what it gave each."""
    rows = session.execute(
        select(CreditedOutage.subscription_id, CreditedOutage.total_minor).where(
            CreditedOutage.outage_id == outage_id, CreditedOutage.subscription_id.in_(list(affected))
        )
    )
    return {row.subscription_id: row.total_minor for row in rows}


def _reckon(
    session: Session, outage_id: UUID, spans: Mapping[UUID, Span], terms: CreditTerms, zone: ZoneInfo
) -> list[tuple[_Service, OutageCredit]]:
    return [
        (service, credit(service.outage, known=service.known, paid=service.paid, given_minor=service.given_minor,
                         terms=terms, zone=zone))
        for service in _services(session, outage_id, spans, zone)
    ]  # fmt: skip


def _write(session: Session, outage_id: UUID, found: Sequence[tuple[_Service, OutageCredit]], at: datetime) -> None:
    if not found:
        return
    session.execute(
        insert(CreditedOutage),
        [
            {
                "outage_id": outage_id, "subscription_id": service.subscription_id,
                "during": _range(one.interruption.during),
                "credited": [_range(span) for span in one.interruption.credited],
                "total_minor": one.total_minor, "credited_at": at,
            }
            for service, one in found
        ],
    )  # fmt: skip
    charges = [charge for service, one in found for charge in _charges(outage_id, service, one)]
    if charges:
        session.execute(insert(Charge), charges)


def _charges(outage_id: UUID, service: _Service, one: OutageCredit) -> list[dict[str, Any]]:
    return [
        {
            "subscription_id": service.subscription_id, "kind": ChargeKind.CREDIT, "outage_id": outage_id,
            "description": _description(line, service.titles), "formula": line.formula,
            "amount_minor": -line.amount_minor,
            "vat_mode": VatMode.ON_TOP if line.is_vat_on_top else VatMode.INCLUDED,
            "during": Range(line.first_on, line.first_on + timedelta(days=1)), "created_by": PROCESS_ACTOR,
        }
        for line in one.lines
    ]  # fmt: skip


def _description(line: CreditLine, titles: Mapping[tuple[date, int], str]) -> str:
    """As a bill names what it is for: «Возврат за перерыв связи, Домашний 100, ноябрь 2026 (24–25)»."""
    month_on = line.first_on.replace(day=1)
    title = next(
        title
        for (of_month, from_day), title in sorted(titles.items(), reverse=True)
        if of_month == month_on and from_day < line.first_on.day
    )
    days = f"{line.first_on.day}–{line.last_on.day}" if line.first_on < line.last_on else f"{line.first_on.day}"
    return f"Возврат за перерыв связи, {title}, {month_in_words(month_on)} ({days})"


# --- What is known of the services ------------------------------------------------------------------------------------


def _services(session: Session, outage_id: UUID, spans: Mapping[UUID, Span], zone: ZoneInfo) -> list[_Service]:
    known = _known(session, outage_id, spans)
    touched = [*spans.values(), *(one.during for of_service in known.values() for one in of_service)]
    policy = billing_policy(session)
    billing_collection.price_days(
        session, list(spans), first_on=_month_of(min(span.start for span in touched), zone),
        until_on=billing_collection.next_month(_month_of(max(span.end for span in touched), zone)),
        charge_suspended=policy.charge_suspended, charge_frozen=policy.charge_frozen,
    )  # fmt: skip
    paid: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(_PAID_DAYS):
        if row.left_minor is not None:
            paid[row.subscription_id].append(row)
    given = _given(session, spans)
    return [
        _Service(
            subscription_id=subscription_id,
            outage=span,
            known=known[subscription_id],
            paid=[_paid_days(row) for row in paid[subscription_id]],
            titles={(row.month_on, row.from_day): row.title for row in paid[subscription_id]},
            given_minor=given[subscription_id],
        )
        for subscription_id, span in spans.items()
    ]


def _paid_days(row: Row[Any]) -> PaidDays:
    return PaidDays(
        month_on=row.month_on, from_day=row.from_day, to_day=row.to_day, fee_minor=row.left_minor,
        vat_rate_bp=row.vat_rate_bp, is_vat_on_top=row.vat_mode == VatMode.ON_TOP,
    )  # fmt: skip


def _known(session: Session, outage_id: UUID, spans: Mapping[UUID, Span]) -> dict[UUID, list[Interruption]]:
    """What other outages have credited near to this one."""
    first, last = min(span.start for span in spans.values()), max(span.end for span in spans.values())
    known: dict[UUID, list[Interruption]] = defaultdict(list)
    rows = session.execute(
        select(CreditedOutage.subscription_id, CreditedOutage.during, CreditedOutage.credited).where(
            CreditedOutage.subscription_id.in_(list(spans)), CreditedOutage.outage_id != outage_id,
            CreditedOutage.during.overlaps(_range(Span(first - 1, last + 1))),
        )
    )  # fmt: skip
    for row in rows:
        known[row.subscription_id].append(
            Interruption(_span(row.during), tuple(_span(span) for span in row.credited))
        )  # fmt: skip
    return known


def _given(session: Session, spans: Mapping[UUID, Span]) -> dict[UUID, dict[date, int]]:
    """What outages gave back before, by service and month."""
    given: dict[UUID, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    rows: Sequence[Row[Any]] = session.execute(
        select(Charge.subscription_id, func.lower(Charge.during).label("on"), Charge.amount_minor).where(
            Charge.kind == ChargeKind.CREDIT, Charge.subscription_id.in_(list(spans))
        )
    ).all()
    for row in rows:
        given[row.subscription_id][row.on.replace(day=1)] -= row.amount_minor
    return given


def _month_of(minute: int, zone: ZoneInfo) -> date:
    return _instant(minute).astimezone(zone).date().replace(day=1)


def _instant(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def _range(span: Span) -> Range[datetime]:
    return Range(_instant(span.start), _instant(span.end))


def _span(during: Range[datetime]) -> Span:
    assert during.lower is not None, "written here with both ends"
    assert during.upper is not None, "written here with both ends"
    return span_of(during.lower, during.upper)
