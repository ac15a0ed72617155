"""Documents: what each of them says, and how they are spoken of outside."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from models.contracts.people import Language
from models.contracts.stock import EquipmentCondition

Signatory = Literal["subscriber", "representative"]
"""Who signs on the subscriber's side: themselves, or somebody with their power of attorney."""


class DocumentKind(StrEnum):
    """What a document is."""

    CONTRACT = "contract"
    HANDOVER_ACT = "handover_act"
    REPLACEMENT_ACT = "replacement_act"
    RETURN_ACT = "return_act"


ACTS = (DocumentKind.HANDOVER_ACT, DocumentKind.REPLACEMENT_ACT, DocumentKind.RETURN_ACT)
"""What the subscriber signs when equipment changes hands; a process has at most one of them."""


class OperatorDetails(BaseModel):
    """The operator as its documents name it; made from the settings by whoever draws up a document."""

    model_config = ConfigDict(frozen=True)
    name: str
    bin: str
    iban: str
    timezone: str = "Asia/Almaty"
    """The zone that decides which date a document carries."""


class DocumentView(BaseModel):
    """A document without its content, which `GET /v1/documents/{id}` gives as PDF."""

    id: UUID
    kind: DocumentKind
    number: str
    process_id: UUID
    subscriber_id: UUID
    language: Language
    sha256: str | None
    """Hash of the PDF, in hexadecimal."""
    created_at: datetime
    signed_at: datetime | None
    signed_by: Signatory | None
    withdrawn_at: datetime | None


class Party(BaseModel):
    """The subscriber, as they were when the document was drawn up."""

    full_name: str
    iin: str
    phone: str
    account_no: str
    address: str


class Facts(BaseModel):
    """What every document says, but for its number. `_minor` are tiyn, `_on` dates of the operator's zone."""

    language: Language
    drawn_up_on: date
    operator: OperatorDetails
    subscriber: Party


class OrderedEquipment(BaseModel):
    """A model that was ordered, and how many of it; the price of one piece includes VAT."""

    sku: str
    title: str
    quantity: int
    price_minor: int


class ContractFacts(Facts):
    """What a contract says."""

    tariff: str
    monthly_fee_minor: int | None
    """None where the tariff has no price on the day of the contract."""
    connection_fee_minor: int
    first_period_upfront: bool
    equipment: list[OrderedEquipment]


class HandedOver(BaseModel):
    """One mounted piece, and the reserved one that it replaced, if any."""

    serial: str
    model: str | None
    instead_of: str | None


class ActFacts(Facts):
    """What a hand-over act («акт приёма-передачи») says."""

    contract_number: str | None
    tariff: str
    installed_on: date | None
    crew: str | None
    equipment: list[HandedOver]
    optical_power_dbm: float | None
    download_mbps: float | None
    cable_metres: float | None


class GivenBack(BaseModel):
    """One piece that was at the subscriber's, and how it was found."""

    serial: str
    model: str | None
    condition: EquipmentCondition


class ReturnActFacts(Facts):
    """What a return act («акт возврата») says."""

    contract_number: str | None
    tariff: str
    dismantled_on: date | None
    crew: str | None
    equipment: list[GivenBack]


class ReplacementActFacts(Facts):
    """What a replacement act («акт замены») says."""

    contract_number: str | None
    tariff: str
    """The one that the new equipment is for."""
    replaced_on: date | None
    crew: str | None
    mounted: list[HandedOver]
    taken_back: list[GivenBack]
    optical_power_dbm: float | None
    download_mbps: float | None
    cable_metres: float | None


class InvoicedLine(BaseModel):
    """One line of an invoice; its sums are tiyn."""

    description: str
    formula: str
    vat_rate_percent: float
    net_minor: int
    vat_minor: int
    total_minor: int


class RateSum(BaseModel):
    """What an invoice charges at one VAT rate."""

    vat_rate_percent: float
    net_minor: int
    vat_minor: int
    total_minor: int


class PaidPart(BaseModel):
    """What a payment covers of the invoice; a negative sum undoes an earlier one."""

    receipt: str
    paid_on: date
    amount_minor: int
    is_undone: bool


class CreditedPart(BaseModel):
    """A credit note on the invoice."""

    credit_note: str
    issued_on: date
    total_minor: int
    reason: str


class InvoiceFacts(Facts):
    """What an invoice («счёт на оплату») says, with what was paid on it by the time it is printed."""

    period: str | None
    """Month and year, such as 11.2026; none for what a run did not issue."""
    due_on: date
    lines: list[InvoicedLine]
    rates: list[RateSum]
    net_minor: int
    vat_minor: int
    total_minor: int
    payments: list[PaidPart]
    credit_notes: list[CreditedPart]
    written_off_minor: int
    outstanding_minor: int
    is_settled: bool
