"""SMS, as they are spoken of outside."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from models.contracts.people import Language


class Urgency(StrEnum):
    """When an SMS may go."""

    REQUESTED = "requested"
    """Information that the subscriber asked for by what they ordered: goes at once."""
    NOTICE = "notice"
    """A notification: waits in quiet hours, and its reason is checked again before it goes."""
    EMERGENCY = "emergency"
    """Goes at once."""


class MessageStatus(StrEnum):
    """Where an SMS stands."""

    QUEUED = "queued"
    SENDING = "sending"
    """Claimed for sending; after a crash it becomes `unknown`, never `queued`."""
    UNKNOWN = "unknown"
    """The provider may or may not have it: looked up there before anything else."""
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """Its reason was gone before it went, or the subscriber opted out."""


class MessageView(BaseModel):
    """An SMS and what became of it."""

    id: UUID
    subscriber_id: UUID | None
    process_id: UUID | None
    template: str
    language: Language
    body: str
    segments: int
    status: MessageStatus
    error_code: str | None
    not_before: datetime
    created_at: datetime
    settled_at: datetime | None


class DeliveryFigures(BaseModel):
    """How many of a process's SMS stand where. Each is counted once."""

    queued: int = 0
    """Still to be sent, or at it: the provider may have them, and is asked."""
    sent: int = 0
    """The provider has them; whether they arrived is not known yet."""
    delivered: int = 0
    failed: int = 0
    """Given up by us, or reported as undelivered."""
    withdrawn: int = 0
    """Their reason was gone before they went, or the number takes none."""
