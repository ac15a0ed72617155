"""The forms of requests: triage, the department's work, a crew's visit. Texts to subscribers go by SMS as written."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from models.contracts.connection import NewConnection
from models.contracts.disconnection import NewDisconnection
from models.contracts.form import Comment, Form
from models.contracts.people import Role
from models.contracts.processes import Reason, TaskKind
from models.contracts.request_policy import CategoryCode
from models.contracts.request_words import Priority
from models.contracts.tariff_change import NewTariffChange

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=600)]
"""What the subscriber reads in an SMS."""


class Sorted(Form):
    """What it is about; its department and priority are those of the category unless said."""

    category: CategoryCode = Field(examples=["billing"])
    priority: Priority | None = None
    owner: Role | None = None
    comment: Comment = ""


class Solved(Form):
    """It is done; the subscriber reads what was done."""

    solution: Said = Field(examples=["Порт перезапущен, скорость восстановлена"])


class Declined(Form):
    """What was asked for is not done; the subscriber reads why."""

    answer: Said


class Rejected(Form):
    """It is no request, such as advertising: nobody is answered."""

    reason: Reason


class Asked(Form):
    """The subscriber is asked something by SMS; the clock stands still until they answer."""

    question: Said = Field(examples=["Горит ли красная лампочка на терминале?"])


class HandedOver(Form):
    """It is another department's."""

    owner: Role
    reason: Reason


class StartConnection(Form):
    """A connection is registered; for the subscriber of the request, or for the new one who is named."""

    kind: Literal["connection"]
    order: NewConnection


class StartDisconnection(Form):
    """A disconnection of a service of the subscriber is registered."""

    kind: Literal["disconnection"]
    order: NewDisconnection


class StartTariffChange(Form):
    """Another tariff for a service of the subscriber is registered."""

    kind: Literal["tariff_change"]
    order: NewTariffChange


class SendCrew(Form):
    """A crew goes to the subscriber; afterwards it is the department's turn again."""

    kind: Literal["crew_visit"]
    what_to_do: Reason


class Started(Form):
    """Something is begun because of the request; it is told of its outcome."""

    start: Annotated[
        StartConnection | StartDisconnection | StartTariffChange | SendCrew, Field(discriminator="kind")
    ]  # fmt: skip


class Repaired(Form):
    """The crew has done what it was sent for."""

    report: Reason


class NotRepaired(Form):
    """The crew was there and could not do it."""

    report: Reason


class NobodyThere(Form):
    """Nobody opened: a new slot is needed."""

    comment: Comment = ""


REQUEST_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.TRIAGE_REQUEST: {"sorted": Sorted, "solved": Solved, "rejected": Rejected},
    TaskKind.HANDLE_REQUEST: {
        "solved": Solved, "ask": Asked, "handed_over": HandedOver, "start": Started, "declined": Declined,
        "rejected": Rejected,
    },
    TaskKind.REPAIR: {"repaired": Repaired, "absent": NobodyThere, "not_repaired": NotRepaired},
}  # fmt: skip
