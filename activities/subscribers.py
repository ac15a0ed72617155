"""Subscribers: who is served, under which account, and what they have and owe."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities import ledger
from activities.ledger import Standing
from models.contracts.money import kzt
from models.contracts.people import NewSubscriber, SubscriberChange, SubscriberView, SubscriptionView
from models.contracts.refusals import invalid, not_found
from models.rules.account_no import account_no
from models.tables.catalogue import Tariff
from models.tables.network import Premises
from models.tables.people import Account, Subscriber, account_no_sequence
from models.tables.subscriptions import Subscription


class Customer(NamedTuple):
    """A subscriber, the account that they got at registration, and whether they are new."""

    subscriber: Subscriber
    account: Account
    is_new: bool


def register(session: Session, new: NewSubscriber, *, on: date) -> Customer:
    """The subscriber of this IIN, registered with an account where nobody knew them.

    A known subscriber is returned as they are: what was sent about them changes nothing. Two at once are one: the
    later waits for the earlier.

    Raises:
        Refusal: the premises don't exist.
    """
    named = select(Subscriber).where(Subscriber.iin == new.iin)
    known = session.scalar(named)
    if known is not None:
        return Customer(known, account_of(session, known.id), is_new=False)
    _check_premises(session, new.premises_id)
    created = session.execute(
        insert(Subscriber)
        .values(**new.model_dump())
        .on_conflict_do_nothing(index_elements=["iin"])
        .returning(Subscriber, account_no_sequence.next_value())
    ).one_or_none()
    if created is None:
        known = session.scalars(named).one()
        return Customer(known, account_of(session, known.id), is_new=False)
    subscriber, number = created
    account = Account(account_no=account_no(number), subscriber_id=subscriber.id, opened_on=on)
    session.add(account)
    session.flush()
    return Customer(subscriber, account, is_new=True)


def _check_premises(session: Session, premises_id: UUID | None) -> None:
    if premises_id is not None and session.get(Premises, premises_id) is None:
        detail = "There are no such premises: take their id from GET /v1/premises."
        raise invalid("premises_unknown", detail, {"premises_id": detail})


def get(session: Session, subscriber_id: UUID) -> Subscriber:
    """The subscriber.

    Raises:
        Refusal: there is none with this id.
    """
    subscriber = session.get(Subscriber, subscriber_id)
    if subscriber is None:
        raise not_found("subscriber_unknown", "There is no such subscriber: look them up by IIN or phone number.")
    return subscriber


def account_of(session: Session, subscriber_id: UUID) -> Account:
    """The account that a subscriber got at registration."""
    return session.scalars(
        select(Account).where(Account.subscriber_id == subscriber_id).order_by(Account.number).limit(1)
    ).one()


def change(session: Session, subscriber_id: UUID, wanted: SubscriberChange) -> Subscriber:
    """Change what is named; only the premises may be emptied.

    Raises:
        Refusal: there is no such subscriber, or the premises don't exist.
    """
    subscriber = get(session, subscriber_id)
    named = wanted.model_dump(exclude_unset=True)
    _check_premises(session, named.get("premises_id"))
    for field, value in named.items():
        if value is not None or field == "premises_id":
            setattr(subscriber, field, value)
    session.flush()
    return subscriber


def find(
    session: Session,
    *,
    iin: str | None = None,
    phone: str | None = None,
    q: str | None = None,
    limit: int,
    after: UUID | None = None,
) -> tuple[list[SubscriberView], UUID | None]:
    """Subscribers who have this IIN, this phone number and `q` within their name, and where the next page starts."""
    statement = select(Subscriber).order_by(Subscriber.id).limit(limit + 1)
    if iin is not None:
        statement = statement.where(Subscriber.iin == iin)
    if phone is not None:
        statement = statement.where(Subscriber.phone == phone)
    if q is not None:
        statement = statement.where(Subscriber.full_name.icontains(q, autoescape=True))
    if after is not None:
        statement = statement.where(Subscriber.id > after)
    found = session.scalars(statement).all()
    shown = found[:limit]
    return views(session, shown), shown[-1].id if len(found) > limit else None


def view(session: Session, subscriber: Subscriber) -> SubscriberView:
    """A subscriber with their account, balance, debt and services."""
    return views(session, [subscriber])[0]


def views(session: Session, subscribers: Sequence[Subscriber]) -> list[SubscriberView]:
    """Many subscribers in a fixed number of statements."""
    ids = [subscriber.id for subscriber in subscribers]
    accounts: dict[UUID, list[Account]] = {subscriber_id: [] for subscriber_id in ids}
    for account in session.scalars(select(Account).where(Account.subscriber_id.in_(ids)).order_by(Account.number)):
        accounts[account.subscriber_id].append(account)
    account_ids = [account.id for owned in accounts.values() for account in owned]
    standings = ledger.standings_of(session, account_ids)
    services = _services(session, account_ids)
    return [
        _view(
            subscriber,
            accounts[subscriber.id],
            [standings[account.id] for account in accounts[subscriber.id]],
            [service for account in accounts[subscriber.id] for service in services[account.id]],
        )
        for subscriber in subscribers
    ]


def _view(
    subscriber: Subscriber,
    accounts: Sequence[Account],
    standings: Sequence[Standing],
    services: list[SubscriptionView],
) -> SubscriberView:
    return SubscriberView(
        id=subscriber.id,
        iin=subscriber.iin,
        full_name=subscriber.full_name,
        phone=subscriber.phone,
        language=subscriber.language,
        segment=subscriber.segment,
        premises_id=subscriber.premises_id,
        account_no=accounts[0].account_no,
        balance=kzt(sum(standing.balance_minor for standing in standings)),
        debt=kzt(sum(standing.debt_minor for standing in standings)),
        subscriptions=services,
        sms_opt_out_at=subscriber.sms_opt_out_at,
        created_at=subscriber.created_at,
    )


def _services(session: Session, account_ids: Sequence[UUID]) -> dict[UUID, list[SubscriptionView]]:
    rows = session.execute(
        select(Subscription, Account.account_no, Tariff.code)
        .join(Account, Account.id == Subscription.account_id)
        .join(Tariff, Tariff.id == Subscription.tariff_id)
        .where(Subscription.account_id.in_(account_ids))
        .order_by(Subscription.id)
    )
    services: dict[UUID, list[SubscriptionView]] = {account_id: [] for account_id in account_ids}
    for subscription, number, tariff_code in rows:
        services[subscription.account_id].append(
            SubscriptionView(
                id=subscription.id,
                account_no=number,
                tariff_code=tariff_code,
                premises_id=subscription.premises_id,
                status=subscription.status,
                active_from=subscription.active_from,
                active_to=subscription.active_to,
            )
        )
    return services
