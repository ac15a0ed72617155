"""Staff, subscribers and their accounts, as they are spoken of outside."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from models.contracts.catalogue import SubscriptionStatus
from models.contracts.money import Money
from models.rules.iin import checked_iin
from models.rules.phone import any_phone, normalised_phone


class Role(StrEnum):
    """What a person of the operator may do; also the department that tasks are addressed to."""

    OPERATOR = "operator"
    PROCUREMENT = "procurement"
    ACCOUNTING = "accounting"
    DISPATCHER = "dispatcher"
    INSTALLER = "installer"
    SUPPORT = "support"
    OPS = "ops"
    ADMIN = "admin"


class Language(StrEnum):
    """The language in which somebody is written to."""

    RU = "ru"
    KK = "kk"
    EN = "en"


class Segment(StrEnum):
    """How somebody is served who does not pay: each segment has a dunning ladder of its own."""

    INDIVIDUAL = "individual"
    BUSINESS = "business"
    VIP = "vip"


Iin = Annotated[str, AfterValidator(checked_iin)]
Phone = Annotated[str, AfterValidator(normalised_phone)]
AnyPhone = Annotated[str, AfterValidator(any_phone)]
"""A mobile number of Kazakhstan, written in any usual way, or any other in E.164."""
FullName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]


class NewSubscriber(BaseModel):
    """A subscriber to be registered. The same IIN again is the same subscriber."""

    model_config = ConfigDict(extra="forbid")
    iin: Iin = Field(examples=["880101300010"])
    full_name: FullName = Field(examples=["Сейткали Арман Болатович"])
    phone: Phone = Field(examples=["+77011234567"])
    language: Language = Language.RU
    segment: Segment = Segment.INDIVIDUAL
    premises_id: UUID | None = None


class SubscriberChange(BaseModel):
    """What may change about a subscriber; what is not named stays."""

    model_config = ConfigDict(extra="forbid")
    full_name: FullName | None = None
    phone: Phone | None = None
    language: Language | None = None
    segment: Segment | None = None
    premises_id: UUID | None = None


class SubscriptionView(BaseModel):
    """A service that a subscriber has, had or waits for."""

    id: UUID
    account_no: str
    tariff_code: str
    premises_id: UUID
    status: SubscriptionStatus
    active_from: date | None
    active_to: date | None


class SubscriberView(BaseModel):
    """A subscriber with what they own and owe."""

    id: UUID
    iin: str
    full_name: str
    phone: str
    language: Language
    segment: Segment
    premises_id: UUID | None
    account_no: str
    balance: Money
    """Positive: money of the subscriber that we hold. Negative: they owe us."""
    debt: Money
    """What is due, never negative."""
    subscriptions: list[SubscriptionView]
    sms_opt_out_at: datetime | None
    created_at: datetime
