"""What outages are to people, and what people know of them: read for many people at once.

A person is a telephone number: two subscribers with one number, and a subscriber with two services, are told once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.orm import Session

from models.contracts.outage import OutageKind
from models.rules.outage_telling import Known, Phase, Saying, Standing, Window
from models.tables.outages import Outage

# Each number is looked at once, with the first position at which one of its services stands. Whose service has ended
# meanwhile is told nothing more.
_PEOPLE = text("""
    WITH number AS MATERIALIZED (
        SELECT DISTINCT subscriber.phone FROM outage_affected AS affected
        JOIN subscriber ON subscriber.id = affected.subscriber_id
        WHERE affected.outage_id = :outage_id AND affected.position > :after AND affected.position <= :until
    )
    SELECT number.phone, person.subscriber_id
    FROM number CROSS JOIN LATERAL (
        SELECT (array_agg(subscriber.id ORDER BY affected.until_at IS NOT NULL, subscriber.id))[1] AS subscriber_id,
               min(affected.position) AS first_position, bool_or(service.status <> 'terminated') AS is_served
        FROM subscriber
        JOIN outage_affected AS affected
          ON affected.subscriber_id = subscriber.id AND affected.outage_id = :outage_id
        JOIN subscription AS service ON service.id = affected.subscription_id
        WHERE subscriber.phone = number.phone
    ) AS person
    WHERE person.first_position > :after AND person.is_served
    ORDER BY person.first_position
""").bindparams(bindparam("outage_id", type_=Uuid))
_AT_WORK_MEANWHILE = """
    outage.closed_at IS NULL OR outage.closed_at >= (SELECT registered_at FROM outage WHERE process_id = :outage_id)
"""
_AFFECTED = text(f"""
    SELECT number.phone, one.outage_id, one.is_affected
    FROM unnest(CAST(:phones AS text[])) AS number (phone) CROSS JOIN LATERAL (
        SELECT affected.outage_id, bool_or(affected.until_at IS NULL) AS is_affected
        FROM subscriber
        JOIN outage_affected AS affected ON affected.subscriber_id = subscriber.id
        JOIN outage ON outage.process_id = affected.outage_id
        WHERE subscriber.phone = number.phone AND ({_AT_WORK_MEANWHILE})
        GROUP BY affected.outage_id
    ) AS one
""").bindparams(bindparam("outage_id", type_=Uuid))  # noqa: S608 - no values in it
# What was withdrawn or has failed was told to nobody; the ids of messages are in the order of their making.
_KNOWN = text(f"""
    SELECT number.phone, one.*
    FROM unnest(CAST(:phones AS text[])) AS number (phone) CROSS JOIN LATERAL (
        SELECT DISTINCT ON (notice.outage_id)
               notice.outage_id, notice.starts_at, notice.ends_at, notice.overruns, notice.is_over
        FROM subscriber
        JOIN outage_notice AS notice ON notice.subscriber_id = subscriber.id
        JOIN outage ON outage.process_id = notice.outage_id
        JOIN message ON message.key = notice.message_key
        WHERE subscriber.phone = number.phone AND ({_AT_WORK_MEANWHILE})
          AND message.status NOT IN ('withdrawn', 'failed', 'undelivered')
        ORDER BY notice.outage_id, message.id DESC
    ) AS one
""").bindparams(bindparam("outage_id", type_=Uuid))  # noqa: S608 - no values in it
# A message that announces yet another outage stays: what it says of that one would be lost. One that only settles
# another is said anew.
_WITHDRAW = text("""
    WITH said (phone, outage_id) AS (
        SELECT * FROM unnest(CAST(:phones AS text[]), CAST(:outages AS uuid[]))
    ), unsent AS (
        SELECT notice.message_key, said.phone, count(*) FILTER (WHERE NOT notice.is_over) AS said
        FROM said JOIN subscriber ON subscriber.phone = said.phone
        JOIN outage_notice AS notice ON notice.subscriber_id = subscriber.id AND notice.outage_id = said.outage_id
        GROUP BY notice.message_key, said.phone
    )
    UPDATE message SET status = 'withdrawn', error_code = :reason, settled_at = :at
    FROM unsent WHERE message.key = unsent.message_key AND message.status = 'queued'
      AND unsent.said = (SELECT count(*) FROM outage_notice AS notice
                         WHERE notice.message_key = unsent.message_key AND NOT notice.is_over)
    RETURNING unsent.phone
""")
# An end that was to be said and could not be is not said again; one that was withdrawn for a change still is to be.
_IS_BELIEVED = text("""
    SELECT EXISTS (
        SELECT FROM (
            SELECT DISTINCT ON (subscriber.phone) notice.is_over
            FROM outage_notice AS notice
            JOIN message ON message.key = notice.message_key
            JOIN subscriber ON subscriber.id = notice.subscriber_id
            WHERE notice.outage_id = :outage_id
              AND (message.status NOT IN ('withdrawn', 'failed', 'undelivered')
                   OR (notice.is_over AND message.error_code IS DISTINCT FROM :outdated))
              AND EXISTS (
                  SELECT FROM outage_affected AS affected
                  JOIN subscription AS service ON service.id = affected.subscription_id
                  WHERE affected.outage_id = :outage_id AND affected.subscriber_id = subscriber.id
                    AND service.status <> 'terminated')
            ORDER BY subscriber.phone, message.id DESC
        ) AS last_said
        WHERE NOT last_said.is_over)
""").bindparams(bindparam("outage_id", type_=Uuid))
OUTDATED_REASON = "outdated"
"""Why an SMS was withdrawn: an outage has changed before it went."""


@dataclass(frozen=True)
class Person:
    """A number, by the subscriber who is written to, and what the outages are to them."""

    subscriber_id: UUID
    own: Standing
    others: Sequence[Standing]
    phone: str = field(repr=False)


def numbers(session: Session, outage: Outage, *, after: int, until: int) -> dict[str, UUID]:
    """The numbers at some positions of an outage's list, each with the subscriber who is written to."""
    found = session.execute(_PEOPLE, {"outage_id": outage.process_id, "after": after, "until": until})
    return {row.phone: row.subscriber_id for row in found}


def people(session: Session, outage: Outage, subscribers: Mapping[str, UUID], *, at: datetime) -> list[Person]:
    """Those who have these numbers, with all outages of theirs while this one lasted."""
    facts = {"outage_id": outage.process_id, "phones": list(subscribers)}
    known = {
        (row.phone, row.outage_id): None if row.is_over else Known(Window(row.starts_at, row.ends_at), row.overruns)
        for row in session.execute(_KNOWN, facts)
    }
    affected = session.execute(_AFFECTED, facts).all()
    outages = _outages(session, {row.outage_id for row in affected})
    standings: Mapping[str, dict[UUID, Standing]] = defaultdict(dict)
    for row in affected:
        standings[row.phone][row.outage_id] = _standing(
            outages[row.outage_id], known.get((row.phone, row.outage_id)), at, is_affected=row.is_affected
        )
    return [
        Person(
            subscriber_id, own=standings[phone].pop(outage.process_id), others=list(standings[phone].values()),
            phone=phone,
        )
        for phone, subscriber_id in subscribers.items()
    ]  # fmt: skip


def is_believed(session: Session, outage_id: UUID) -> bool:
    """Whether somebody was told of an outage and not of its end: another one keeps their service away, and says it."""
    believed: bool = session.execute(
        _IS_BELIEVED, {"outage_id": outage_id, "outdated": OUTDATED_REASON}
    ).scalar_one()  # fmt: skip
    return believed


def withdraw_what_is_said_anew(session: Session, said: Sequence[tuple[Person, Saying]], *, at: datetime) -> set[str]:
    """Withdraw SMS to people that nobody has begun to send, about outages of which they are told anew; answers whom."""
    pairs = [
        (person.phone, one) for person, saying in said if person.others for one in (*saying.about, *saying.settles)
    ]
    if not pairs:
        return set()
    phones, outages = map(list, zip(*pairs, strict=True))
    return set(
        session.scalars(_WITHDRAW, {"phones": phones, "outages": outages, "at": at, "reason": OUTDATED_REASON}).all()
    )


def _outages(session: Session, ids: set[UUID]) -> dict[UUID, Outage]:
    found = session.scalars(select(Outage).where(Outage.process_id.in_(ids)).execution_options(populate_existing=True))
    return {outage.process_id: outage for outage in found}


def _standing(outage: Outage, known: Known | None, at: datetime, *, is_affected: bool) -> Standing:
    return Standing(
        outage_id=outage.process_id,
        is_emergency=outage.kind is OutageKind.EMERGENCY,
        phase=phase_of(outage, at, is_affected=is_affected),
        window=Window(outage.starts_at, outage.ends_at),
        may_be_told=outage.announced_at is not None or at >= outage.starts_at,
        known=known,
        overruns=outage.overruns,
    )


def phase_of(outage: Outage, at: datetime, *, is_affected: bool = True) -> Phase:
    """Where an outage stands; for somebody who is not affected any more, what that comes to."""
    if outage.called_off_at is not None:
        return Phase.CALLED_OFF
    if outage.ended_at is not None:
        return Phase.ENDED
    if at >= outage.starts_at:
        return Phase.ON if is_affected else Phase.ENDED
    return Phase.AHEAD if is_affected else Phase.CALLED_OFF
