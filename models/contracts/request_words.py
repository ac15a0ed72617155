"""The words of requests: how one came, how urgent it is, whose turn it is, what it follows, how it ended."""

from enum import StrEnum


class Channel(StrEnum):
    """How a request came in."""

    CALL = "call"
    SMS = "sms"
    OFFICE = "office"
    EMAIL = "email"
    CHAT = "chat"
    APP = "app"
    OTHER = "other"


class Priority(StrEnum):
    """How urgent a request is; the policy says how long each may take."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class RequestStage(StrEnum):
    """The stages of a request, in their order."""

    REGISTRATION = "registration"
    FOLLOWING = "following"
    """Something else decides about it: an outage, an earlier request about the same, a process that it started."""
    TRIAGE = "triage"
    WORK = "work"
    QUESTION = "question"
    """The subscriber was asked something; the clock stands still."""
    SCHEDULING = "scheduling"
    VISIT = "visit"
    CLOSED = "closed"


class Turn(StrEnum):
    """Who is to do something about a request. The database decides it; the process looks and acts accordingly."""

    FOLLOWING = "following"
    TRIAGE = "triage"
    WORK = "work"
    QUESTION = "question"
    VISIT = "visit"
    CLOSED = "closed"


class LinkKind(StrEnum):
    """Why a request follows another process."""

    DUPLICATE = "duplicate"
    """That one is about the same, and came first."""
    OUTAGE = "outage"
    """That outage explains it."""
    STARTED = "started"
    """The request started it: a connection, a disconnection, a tariff change."""


class LinkEnding(StrEnum):
    """How the following ended."""

    CLOSED_WITH = "closed_with"
    """What was followed reached its goal, and the request was closed with it."""
    CAME_TO_NOTHING = "came_to_nothing"
    """What was followed was cancelled: the request goes on by itself."""
    LEFT = "left"
    """It does not concern the request any more."""


class PauseReason(StrEnum):
    """Why the clock of a request stands still."""

    QUESTION = "question"
    FOLLOWING = "following"
    CLOSED = "closed"
    """Between its solution and its reopening."""


class TextKind(StrEnum):
    """What somebody said in a request."""

    WISH = "wish"
    QUESTION = "question"
    ANSWER = "answer"
    NOTE = "note"
    """Something that was added without being asked for."""
    SOLUTION = "solution"
    REOPENING = "reopening"


class RequestEnding(StrEnum):
    """How a request was closed."""

    SOLVED = "solved"
    DECLINED = "declined"
    """It was answered: what was asked for is not done."""
    REJECTED = "rejected"
    """It was no request, such as advertising: nobody is answered."""
    OUTAGE_OVER = "outage_over"
    WITH_DUPLICATE = "with_duplicate"
    PROCESS_DONE = "process_done"
    """The connection, disconnection or tariff change that it started is done."""
    CANCELLED = "cancelled"
