"""The words of dunning: steps, and the rules that let them be taken, keep them waiting, or end an episode."""

from enum import StrEnum


class StepKind(StrEnum):
    """What a ladder consists of, from the mildest to the hardest."""

    NOTICE = "notice"
    REMINDER = "reminder"
    CALL_TASK = "call_task"
    """A department calls the subscriber."""
    FINAL_WARNING = "final_warning"
    """Says when the service will be cut: no cut without it."""
    THROTTLE = "throttle"
    """The service gets slow."""
    SUSPEND = "suspend"
    """The service is switched off; the contract and the equipment stay."""
    DISCONNECT = "disconnect"
    """The last step: a disconnection of the service begins."""


CUTS = frozenset({StepKind.THROTTLE, StepKind.SUSPEND, StepKind.DISCONNECT})
"""Steps that take something from the subscriber: with fair notice only, and on permitted days only."""
SPOKEN = frozenset(StepKind) - {StepKind.CALL_TASK}
"""Steps that the subscriber is told of by SMS."""


class Rule(StrEnum):
    """Why something is done, and why something waits. Each has a sentence."""

    STEP_DUE = "step_due"
    """The step's time has come and nothing speaks against it."""

    NOT_DUE_YET = "not_due_yet"
    PACE = "pace"
    """Two steps are at least so far apart, also when many are late."""
    FAIR_NOTICE = "fair_notice"
    """Between the final warning, or a reversed payment, and a cut lies at least so much time."""
    QUIET_HOURS = "quiet_hours"
    NO_CUT_TIME = "no_cut_time"
    """A weekend, a holiday, the day before one, or an hour at which nobody could help."""
    WARNING_NOT_SENT = "warning_not_sent"
    """The final warning is still on its way: nobody is cut off unwarned because the SMS did not go."""
    PROMISE = "promise"
    DISPUTE = "dispute"
    """What is not disputed is less than the minimum debt."""
    EXCLUSION = "exclusion"
    OUTAGE = "outage"
    DISCONNECTION = "disconnection"
    """The service is being disconnected."""
    FREEZE = "freeze"
    """The subscriber has the service frozen."""
    PAYMENT_IN_FLIGHT = "payment_in_flight"
    """Money for the account is known of and not booked: in suspense, or in a bank's registry alone."""
    LADDER_ENDED = "ladder_ended"
    """All steps are taken."""

    PAYMENT_REVERSED = "payment_reversed"
    """The ladder is resumed at the right step, with fair notice."""


class Ending(StrEnum):
    """Why an episode ended."""

    PAID = "paid"
    BELOW_MINIMUM = "below_minimum"
    DISCONNECTED = "disconnected"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its workflow was ended from outside."""


class DunningStage(StrEnum):
    """The stages of a dunning episode, in their order: the last step that was taken."""

    DUE = "due"
    NOTICE = "notice"
    REMINDER = "reminder"
    CALL_TASK = "call_task"
    FINAL_WARNING = "final_warning"
    THROTTLE = "throttle"
    SUSPEND = "suspend"
    DISCONNECT = "disconnect"
    CLOSED = "closed"


class Restriction(StrEnum):
    """What dunning keeps a service at."""

    THROTTLE = "throttle"
    SUSPEND = "suspend"


class PromiseStatus(StrEnum):
    """What became of a promise to pay."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"


class DisputeOutcome(StrEnum):
    """How a dispute was decided."""

    UPHELD = "upheld"
    """The subscriber was right: a credit note is to follow, if it is not issued yet."""
    REJECTED = "rejected"


class HoldReason(StrEnum):
    """Why an account is held by another process."""

    OUTAGE = "outage"
    PAYMENT_IN_FLIGHT = "payment_in_flight"
