"""What all forms of staff tasks share. Forms name no subscriber: who they are stands in the database already."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from models.contracts.processes import Reason
from models.contracts.texts import Storable

Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class Form(Storable):
    """A form refuses fields that it doesn't know, so that a typing mistake is seen."""

    model_config = ConfigDict(extra="forbid")


class Refused(Form):
    """It can't be done; the process is cancelled for this reason."""

    reason: Reason
