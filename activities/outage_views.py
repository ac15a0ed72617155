"""Outages for lists and for one who looks at one of them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from activities import outage_listing
from activities.message_queue import delivery_figures
from activities.outage_course import progress_of
from activities.outage_round import key_prefix
from activities.outage_state import get_outage, is_over
from models.contracts.money import kzt
from models.contracts.outage import OutageKind, OutageStage
from models.contracts.outage_views import AffectedView, OutageFigures, OutageState, OutageSummary, OutageView
from models.contracts.refusals import not_found
from models.tables.messages import Message
from models.tables.network import NetworkNode
from models.tables.outages import Outage, OutageAffected, OutageNode, OutageNotice
from models.tables.people import Account, Subscriber
from models.tables.processes import Process

_SELF_AND_ABOVE = text("""
    WITH RECURSIVE above (id, parent_id) AS (
        SELECT id, parent_id FROM network_node WHERE id = :node_id
        UNION
        SELECT node.id, node.parent_id FROM network_node AS node JOIN above ON node.id = above.parent_id
    )
    SELECT id FROM above
""").bindparams(bindparam("node_id", type_=Uuid))
_OVER = or_(Outage.ended_at.is_not(None), Outage.called_off_at.is_not(None))


def outages(
    session: Session, *, state: OutageState | None, kind: OutageKind | None, node_id: UUID | None, at: datetime
) -> Select[Outage]:
    """The outages that are asked for; with `node_id` those that reach this node.

    Raises:
        Refusal: there is no such node.
    """
    statement = select(Outage)
    if state is not None:
        statement = statement.where(_in_state(state, at))
    if kind is not None:
        statement = statement.where(Outage.kind == kind)
    if node_id is not None:
        reaching = session.scalars(_SELF_AND_ABOVE, {"node_id": node_id}).all()
        if not reaching:
            raise not_found("node_unknown", "There is no such node: take its id from GET /v1/network-nodes.")
        statement = statement.where(
            Outage.process_id.in_(select(OutageNode.outage_id).where(OutageNode.node_id.in_(reaching)))
        )
    return statement


def summaries(session: Session, rows: Sequence[Outage], *, at: datetime) -> list[OutageSummary]:
    """Several outages, with a fixed number of queries."""
    ids = [row.process_id for row in rows]
    nodes: dict[UUID, list[UUID]] = {one: [] for one in ids}
    covered = select(OutageNode.outage_id, OutageNode.node_id).join(NetworkNode, NetworkNode.id == OutageNode.node_id)
    for outage_id, node_id in session.execute(
        covered.where(OutageNode.outage_id.in_(ids)).order_by(NetworkNode.code)
    ):  # fmt: skip
        nodes[outage_id].append(node_id)
    processes = {one.id: one for one in session.scalars(select(Process).where(Process.id.in_(ids)))}
    return [_summary(row, processes[row.process_id], nodes[row.process_id], at) for row in rows]


def outage_view(session: Session, outage_id: UUID, *, at: datetime) -> OutageView:
    """One outage with its figures.

    Raises:
        Refusal: there is none with this id.
    """
    outage = get_outage(session, outage_id)
    (summary,) = summaries(session, [outage], at=at)
    return OutageView(**summary.model_dump(), figures=figures_of(session, outage), progress=progress_of(outage))


def figures_of(session: Session, outage: Outage) -> OutageFigures:
    """Whom an outage affects, and what was done about it until now."""
    affected = outage_listing.count(session, outage.process_id)
    sms = delivery_figures(session, outage.process_id, key_prefix=key_prefix(outage.process_id))
    return OutageFigures(
        services=affected.services, subscribers=affected.subscribers,
        told=sms.queued + sms.sent + sms.delivered + sms.failed, **sms.model_dump(), credited=outage.credited,
        credited_sum=kzt(outage.credited_minor),
    )  # fmt: skip


def affected(outage_id: UUID) -> Select[OutageAffected]:
    """The services that an outage affects or affected."""
    return select(OutageAffected).where(OutageAffected.outage_id == outage_id)


def affected_views(session: Session, outage: Outage, rows: Sequence[OutageAffected]) -> list[AffectedView]:
    """Some of these services, each with what was said last to whoever has it."""
    numbers = dict(
        session.execute(
            select(Account.id, Account.account_no).where(Account.id.in_({row.account_id for row in rows}))
        ).all()
    )  # fmt: skip
    told = _last_told(session, outage.process_id, {row.subscriber_id for row in rows})
    return [
        AffectedView(
            subscription_id=row.subscription_id, subscriber_id=row.subscriber_id, account_no=numbers[row.account_id],
            from_at=max(row.from_at or outage.starts_at, outage.starts_at),
            until_at=row.until_at or outage.ended_at, **told.get(row.subscriber_id, _NOTHING),
        )
        for row in rows
    ]  # fmt: skip


_NOTHING: dict[str, object] = {"told": None, "told_at": None, "sms": None}


def _last_told(session: Session, outage_id: UUID, subscriber_ids: set[UUID]) -> dict[UUID, dict[str, object]]:
    """By subscriber: one who shares a number with another is told together with them."""
    asked = (
        select(Subscriber.id, Subscriber.phone).where(Subscriber.id.in_(subscriber_ids)).subquery()
    )  # fmt: skip
    addressee = select(Subscriber.id, Subscriber.phone).subquery()
    rows = session.execute(
        select(asked.c.id, OutageNotice.occasion, OutageNotice.at, Message.status)
        .join(addressee, addressee.c.phone == asked.c.phone)
        .join(
            OutageNotice, and_(OutageNotice.subscriber_id == addressee.c.id, OutageNotice.outage_id == outage_id)
        )
        .join(Message, Message.key == OutageNotice.message_key)
        .ext(distinct_on(asked.c.id))
        .order_by(asked.c.id, Message.id.desc())
    )  # fmt: skip
    return {row.id: {"told": row.occasion, "told_at": row.at, "sms": row.status} for row in rows}


def _in_state(state: OutageState, at: datetime) -> ColumnElement[bool]:
    if state is OutageState.PAST:
        return _OVER
    has_begun = Outage.starts_at <= at
    return and_(~_OVER, has_begun if state is OutageState.CURRENT else ~has_begun)


def _summary(row: Outage, process: Process, node_ids: list[UUID], at: datetime) -> OutageSummary:
    state = OutageState.CURRENT if at >= row.starts_at else OutageState.PLANNED
    return OutageSummary(
        id=row.process_id, kind=row.kind, state=OutageState.PAST if is_over(row) else state,
        stage=OutageStage(process.stage), status=process.status, reason=row.reason, node_ids=node_ids,
        starts_at=row.starts_at, ends_at=row.ends_at, ended_at=row.ended_at, called_off_at=row.called_off_at,
        registered_at=row.registered_at, announced_at=row.announced_at, closed_at=row.closed_at,
    )  # fmt: skip
