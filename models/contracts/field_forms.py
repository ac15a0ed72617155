"""The forms of procurement, dispatchers and installers: equipment, visits, acts."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from models.contracts.form import Comment, Form, Refused
from models.contracts.instants import PlausibleInstant
from models.contracts.processes import Reason, TaskKind
from models.contracts.stock import Delivery, Serial


class PurchaseDelivered(Form):
    """What was ordered has arrived: the serial numbers go into stock."""

    deliveries: list[Delivery] = Field(min_length=1, max_length=50)
    supplier_document: Comment = ""


class CrewAssigned(Form):
    """A crew goes there at a free slot."""

    crew_id: UUID
    starts_at: PlausibleInstant
    comment: Comment = ""


class Postponed(Form):
    """The subscriber asked for later: the task comes back then."""

    until: PlausibleInstant
    reason: Reason


class Swap(Form):
    """A reserved piece was replaced by another one from stock."""

    reserved: Serial
    mounted: Serial
    reason: Reason


class Readings(Form):
    """What the installer measured."""

    optical_power_dbm: float | None = Field(default=None, ge=-40, le=10)
    download_mbps: float | None = Field(default=None, ge=0, le=100_000)
    cable_metres: float | None = Field(default=None, ge=0, le=100_000)


class Installed(Form):
    """The equipment is mounted: the reserved serial numbers, or an explicit swap."""

    serials: list[Serial] = Field(max_length=50)
    swaps: list[Swap] = Field(default=[], max_length=50)
    readings: Readings = Readings()
    photo_reference: Comment = ""
    comment: Comment = ""


class SubscriberAbsent(Form):
    """Nobody opened: a new slot is needed."""

    comment: Comment = ""


class ActSigned(Form):
    """The subscriber, or somebody with their power of attorney, signed the act."""

    signed_by: Literal["subscriber", "representative"] = "subscriber"
    signed_at: PlausibleInstant | None = None
    comment: Comment = ""


FIELD_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.PURCHASE: {"delivered": PurchaseDelivered, "refused": Refused},
    TaskKind.ASSIGN_CREW: {"assigned": CrewAssigned, "postponed": Postponed},
    TaskKind.INSTALL: {"installed": Installed, "absent": SubscriberAbsent, "impossible": Refused},
    TaskKind.SIGN_ACT: {"signed": ActSigned, "refused": Refused},
}
