"""The forms of procurement, dispatchers, installers and operations: equipment, visits, acts, the network."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from models.contracts.form import Comment, Form, Refused
from models.contracts.instants import PlausibleInstant
from models.contracts.processes import Reason, TaskKind
from models.contracts.stock import Delivery, EquipmentCondition, Serial


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


class ReturnedPiece(Form):
    """A piece of equipment that was at the subscriber's, and how it was found."""

    serial: Serial
    condition: EquipmentCondition
    comment: Comment = ""


class Dismantled(Form):
    """The equipment is taken down: each installed serial number exactly once, lost ones too."""

    equipment: list[ReturnedPiece] = Field(min_length=1, max_length=50)
    photo_reference: Comment = ""
    comment: Comment = ""


class Replaced(Form):
    """Other equipment is mounted in place of what does not fit: each new piece, and each old one exactly once."""

    serials: list[Serial] = Field(max_length=50)
    """What is mounted: the reserved serial numbers, or an explicit swap."""
    swaps: list[Swap] = Field(default=[], max_length=50)
    equipment: list[ReturnedPiece] = Field(max_length=50)
    """What is taken back, lost pieces too."""
    readings: Readings = Readings()
    photo_reference: Comment = ""
    comment: Comment = ""


class NetworkMended(Form):
    """The service runs in the network as the facts of the task say."""

    comment: Comment = ""


class SignatureRefused(Refused):
    """The subscriber does not sign. A process that can still be cancelled ends for this reason; another goes on."""


class ActSigned(Form):
    """The subscriber, or somebody with their power of attorney, signed the act."""

    signed_by: Literal["subscriber", "representative"] = "subscriber"
    signed_at: PlausibleInstant | None = None
    comment: Comment = ""


FIELD_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.PURCHASE: {"delivered": PurchaseDelivered, "refused": Refused},
    TaskKind.ASSIGN_CREW: {"assigned": CrewAssigned, "postponed": Postponed},
    TaskKind.INSTALL: {"installed": Installed, "absent": SubscriberAbsent, "impossible": Refused},
    TaskKind.SIGN_ACT: {"signed": ActSigned, "refused": SignatureRefused},
    TaskKind.DISMANTLE: {"dismantled": Dismantled, "absent": SubscriberAbsent, "impossible": Refused},
    TaskKind.MEND_NETWORK: {"mended": NetworkMended},
    TaskKind.REPLACE: {"replaced": Replaced, "absent": SubscriberAbsent, "impossible": Refused},
}
