"""Why an SMS was not sent, in classes that say what may be done about it, and when it is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus


class FailureClass(StrEnum):
    """What a failure allows."""

    THROTTLED = "throttled"
    """Never processed: may be repeated at once."""
    LATER = "later"
    """Not processed, and the provider or the way to it is not ready: may be repeated after a while."""
    UNREACHABLE = "unreachable"
    """Processed, and the handset could not be reached: a few more tries, far apart."""
    UNKNOWN = "unknown"
    """It may have been sent: looked up at the provider first, never repeated blindly."""
    NUMBER = "number"
    """This number will not take it, now or later."""
    CONFIGURATION = "configuration"
    """The operator's account or sender is wrong: somebody must act; tried again in case they did."""


OPTED_OUT = 21610
_CLASSES = {
    FailureClass.THROTTLED: {20429},
    FailureClass.LATER: {21611},
    FailureClass.UNREACHABLE: {30001, 30003, 30008},
    FailureClass.NUMBER: {21211, OPTED_OUT, 21614, 21635, 30005, 30006},
    FailureClass.CONFIGURATION: {20003, 21606, 21408, 21608, 21657, 30007},
}
_CLASS_OF_CODE = {code: failure for failure, codes in _CLASSES.items() for code in codes}
_REFUSED = range(400, 500)


def failure_class(code: int | None, http_status: int = HTTPStatus.BAD_REQUEST) -> FailureClass:
    """The class of a provider's error code, and of the HTTP status that it came with.

    Source: Twilio's error dictionary. Whatever is not a clear refusal is unknown, whatever its code; a refusal that is
    not listed is treated as the operator's to look at.
    """
    if http_status not in _REFUSED or http_status == HTTPStatus.REQUEST_TIMEOUT:
        return FailureClass.UNKNOWN
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return FailureClass.THROTTLED
    return _CLASS_OF_CODE.get(code or 0, FailureClass.CONFIGURATION)


def listed_class(code: int | None) -> FailureClass | None:
    """The class of a code that is listed; of a delivery that failed otherwise nobody knows what would help."""
    return None if code is None else _CLASS_OF_CODE.get(code)


@dataclass(frozen=True)
class _Repetition:
    first: timedelta
    longest: timedelta
    attempts: int


_REPETITIONS = {
    FailureClass.THROTTLED: _Repetition(timedelta(seconds=5), timedelta(minutes=10), 20),
    FailureClass.LATER: _Repetition(timedelta(minutes=1), timedelta(hours=1), 12),
    FailureClass.UNREACHABLE: _Repetition(timedelta(minutes=15), timedelta(hours=4), 4),
    FailureClass.CONFIGURATION: _Repetition(timedelta(minutes=5), timedelta(hours=1), 12),
    # Looked up, and certainly not at the provider.
    FailureClass.UNKNOWN: _Repetition(timedelta(0), timedelta(0), 5),
}


def retry_at(failure: FailureClass, attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts; None where it has no sense, or has been tried often enough."""
    repetition = _REPETITIONS.get(failure)
    if repetition is None or attempts >= repetition.attempts:
        return None
    return now + min(repetition.first * (1 << max(attempts - 1, 0)), repetition.longest)
