"""What the program asks of an SMS provider."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from models.rules.sms_failures import FailureClass

LONGEST_VALIDITY = timedelta(seconds=36_000)
"""Twilio holds a message for an unreachable handset no longer."""


@dataclass(frozen=True)
class OutgoingSms:
    """One SMS to be sent. Its repr shows neither number nor text."""

    message_id: UUID
    attempt: int
    to: str = field(repr=False)
    """E.164."""
    body: str = field(repr=False)
    valid_for: timedelta = LONGEST_VALIDITY
    """After this the provider gives up: a reminder that arrives a day late is wrong."""


@dataclass(frozen=True)
class Accepted:
    """The provider has it, under this id."""

    sid: str


@dataclass(frozen=True)
class NotSent:
    """The provider does not have it, or (`unknown`) may not. `code` is the provider's, or a word of ours."""

    failure: FailureClass
    code: str


SendOutcome = Accepted | NotSent


class LookUpFailedError(Exception):
    """The provider could not be asked. Its text carries no number: it may reach a log."""


class SmsGateway(Protocol):
    """A way to send SMS. No gateway repeats a call by itself: a repeated call is a second SMS."""

    def send(self, sms: OutgoingSms) -> SendOutcome:
        """Hand one SMS over, once. Answers every failure with its class and raises none."""

    def find(self, *, to: str, body: str, since: datetime) -> list[str]:
        """The provider's ids of SMS with this text to this number that it took since then, newest first.

        Several where the same text went to the same number more than once; none means that it has none so far.

        Raises:
            LookUpFailedError: the provider does not answer, so nothing is certain.
        """
