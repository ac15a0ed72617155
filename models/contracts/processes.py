"""What processes and the outside say to each other. Everything here may reach a history: ids, never people."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.contracts.people import Role
from models.contracts.texts import Storable

PROCESS_ACTOR = "process"
"""The actor of what a process does by itself."""
SCHEDULE_ACTOR = "schedule"
"""The actor of what is started by the calendar."""
ENGINE_UI_ACTOR = "temporal-ui"
"""The actor of what somebody does in the Temporal UI without saying who they are."""


def staff_actor(staff_id: UUID) -> str:
    """How a person of the operator is named in histories and trails."""
    return f"staff:{staff_id}"


class ProcessKind(StrEnum):
    """The processes of the operator."""

    CONNECTION = "connection"
    DISCONNECTION = "disconnection"
    TARIFF_CHANGE = "tariff_change"
    DUNNING = "dunning"
    OUTAGE = "outage"
    REQUEST = "request"
    BILLING_RUN = "billing_run"
    CLARIFICATION = "clarification"
    """Money that a person of accounting has to look at, such as a payment whose payer nobody knows."""
    RECONCILIATION = "reconciliation"
    """A bank's day: its registry and its settlement against what was posted."""


class ProcessStatus(StrEnum):
    """Whether a process is at work, and how it ended."""

    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class StageState(StrEnum):
    """Where a stage stands, seen from the process."""

    DONE = "done"
    CURRENT = "current"
    PENDING = "pending"
    SKIPPED = "skipped"


class TaskStatus(StrEnum):
    """Where a staff task stands."""

    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class TaskKind(StrEnum):
    """What a department can be asked to do."""

    PURCHASE = "purchase"
    ASSIGN_CREW = "assign_crew"
    INSTALL = "install"
    SIGN_ACT = "sign_act"
    REFUND = "refund"
    CALL_DEBTOR = "call_debtor"
    FIND_PAYER = "find_payer"
    REVIEW_CONFLICT = "review_conflict"
    SETTLE_ACCOUNT = "settle_account"
    """Accounting's control of a subscriber who leaves."""
    APPROVE_WRITE_OFF = "approve_write_off"
    DISMANTLE = "dismantle"
    CONTROL_DEBT = "control_debt"
    """Accounting may let a subscriber have another tariff who owes something."""
    REPLACE = "replace"
    MEND_NETWORK = "mend_network"
    """The network refuses to be set back as it was."""
    GET_REGISTRY = "get_registry"
    CHECK_REGISTRY = "check_registry"
    POST_PAYMENT = "post_payment"
    REVERSE_PAYMENT = "reverse_payment"
    CORRECT_PAYMENT = "correct_payment"
    ACCEPT_DATE = "accept_date"
    EXPLAIN_DIFFERENCE = "explain_difference"
    RESOLVE_DIFFERENCES = "resolve_differences"
    """Many differences between a bank's registry and the books, together."""
    SETTLE_BANK_DAY = "settle_bank_day"
    """The bank's transfer for a day is missing, or is another sum."""
    GIVE_OUTAGE_END = "give_outage_end"
    """The expected end of an outage has passed: the dispatcher says whether it is over, or when it will be."""
    TRIAGE_REQUEST = "triage_request"
    HANDLE_REQUEST = "handle_request"
    """The department that owns a request does something about it."""
    REPAIR = "repair"
    """A crew at a subscriber's, because of a request."""


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class TaskOrder(BaseModel):
    """A task that a process opens. The process, the kind and its name or ordinal tell it, so opening twice is once."""

    task_id: UUID
    """Its id, where it is not open yet."""
    process_id: UUID
    ordinal: int
    """Which one of its kind this is in the process, counted from 1."""
    name: str | None = None
    """What it is about, where a process has several of one kind at a time."""
    stage: str | None
    """The stage that the process enters with it; none for a task beside the stages."""
    kind: TaskKind
    department: Role | None = None
    """Whose it is; none: the department of its kind."""
    at: datetime
    due_at: datetime
    facts: dict[str, Any] = {}


class TaskOpened(BaseModel):
    """The task that was opened, now or by an earlier attempt that a crash made the process forget."""

    task_id: UUID


class TaskAct(Storable):
    """Somebody completes a task: Update `complete_task`, or signal `complete_task_signal` from the Temporal UI.

    The API keeps what was sent in as a submission and passes only its id; whoever acts in the Temporal UI gives
    `data` itself, and names no person in it.
    """

    model_config = ConfigDict(extra="forbid")
    task_id: UUID
    outcome: str = Field(min_length=1, max_length=40)
    actor: str = Field(default=ENGINE_UI_ACTOR, max_length=60)
    submission_id: UUID | None = None
    data: dict[str, Any] | None = None


class TaskActOrder(BaseModel):
    """A task act with the process's own time."""

    act: TaskAct
    process_id: UUID
    at: datetime


class TaskDone(BaseModel):
    """What a process learns of a completed task: how it ended, and from when it may go on."""

    task_id: UUID
    outcome: str
    resume_at: datetime | None = None


class TaskClaim(BaseModel):
    """Update `claim_task`: somebody takes a task on."""

    model_config = ConfigDict(extra="forbid")
    task_id: UUID
    staff_id: UUID
    at: datetime


class RefusedAct(BaseModel):
    """A signal from the Temporal UI that could not be acted on; it goes to the timeline and fails nothing."""

    process_id: UUID
    key: str
    at: datetime
    detail: str


class CancelRequest(Storable):
    """Update or signal `cancel_process`. The reason stands in the database when the API sends it."""

    model_config = ConfigDict(extra="ignore")
    actor: str = Field(default=ENGINE_UI_ACTOR, max_length=60)
    request_id: UUID | None = None
    reason: str | None = Field(default=None, max_length=500)


class Rescheduling(BaseModel):
    """Update `reschedule_visit`: the dispatcher moves a booked visit."""

    model_config = ConfigDict(extra="forbid")
    process_id: UUID
    crew_id: UUID
    starts_at: datetime
    actor: str
    at: datetime | None = None


class ProcessOutcome(BaseModel):
    """Result of a workflow that carries a process."""

    process_id: UUID
    status: ProcessStatus


class ProcessState(BaseModel):
    """Answer of the query `state`: where a process stands, from the process itself."""

    stage: str
    status: ProcessStatus
    waiting_for: str | None
    open_tasks: list[UUID]


class StageView(BaseModel):
    """A stage of a process."""

    name: str
    state: StageState
    entered_at: datetime | None


class TaskView(BaseModel):
    """A staff task and the form that completes it."""

    id: UUID
    process_id: UUID
    kind: TaskKind
    department: Role
    title: str
    opened_at: datetime
    due_at: datetime
    overdue: bool
    escalated_at: datetime | None
    claimed_by: UUID | None
    form: dict[str, Any]
    """JSON Schema of `data` for the usual outcome; `x-outcomes` holds one schema for each outcome."""
    outcomes: list[str]
    facts: dict[str, Any]
    status: TaskStatus
    outcome: str | None
    data: dict[str, Any] | None
    completed_at: datetime | None
    completed_by: str | None


class ProcessView(BaseModel):
    """A process, its stages and its tasks."""

    id: UUID
    kind: ProcessKind
    stage: str
    stages: list[StageView]
    status: ProcessStatus
    subscriber_id: UUID | None
    account_no: str | None
    subscription_id: UUID | None
    waiting_for: str | None
    tasks: list[TaskView]
    opened_at: datetime
    closed_at: datetime | None
    close_reason: str | None
    temporal_url: str | None


class TimelineView(BaseModel):
    """Something that happened, as a sentence for a person."""

    at: datetime
    actor: str
    event: str
    text: str
    facts: dict[str, Any]


class TaskDurations(BaseModel):
    """How long each kind of task may take before it is escalated to the department's head."""

    model_config = ConfigDict(extra="forbid")
    purchase: timedelta = timedelta(days=5)
    assign_crew: timedelta = timedelta(days=1)
    install: timedelta = timedelta(days=3)
    sign_act: timedelta = timedelta(days=1)
    refund: timedelta = timedelta(days=3)
    settle_account: timedelta = timedelta(days=1)
    approve_write_off: timedelta = timedelta(days=1)
    dismantle: timedelta = timedelta(days=10)
    """The visit may be booked for a day that is still a week away."""
    control_debt: timedelta = timedelta(days=2)
    replace: timedelta = timedelta(days=3)
    mend_network: timedelta = timedelta(days=1)


class TaskTime(BaseModel):
    """A task, and the process's own time."""

    task_id: UUID
    at: datetime
