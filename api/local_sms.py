"""POST /v1/local/inbound-sms: an SMS from outside, for trying the product without a provider.

It is there only where SMS_GATEWAY=local, which production refuses. The SMS goes the way of one that Twilio brings.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from activities.inbound import IncomingSms, take
from api.access import StaffCaller, staff
from api.context import Ctx
from api.problems import PROBLEMS
from models.contracts.inbound import InboundOutcome
from models.contracts.people import Role
from models.contracts.texts import Storable
from models.tables.inbound import InboundSms

router = APIRouter(prefix="/v1/local", tags=["local"], responses=PROBLEMS)


class LocalInboundSms(Storable):
    """An SMS that somebody might have sent."""

    model_config = ConfigDict(extra="forbid")
    sender: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+77011234567"])
    """The number in E.164, known or not."""
    body: str = Field(min_length=1, max_length=1600, examples=["Нет интернета"])
    sid: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,64}$")
    """The provider's id: the same again is the same SMS. A fresh one where it is not named."""


class InboundSmsView(BaseModel):
    """What became of it."""

    sid: str
    outcome: InboundOutcome
    process_id: UUID | None
    """The request that has it now."""


@router.post("/inbound-sms", status_code=201)
def send_in_sms(
    sms: LocalInboundSms, ctx: Ctx, caller: Annotated[StaffCaller, Depends(staff(Role.SUPPORT))]
) -> InboundSmsView:
    """Send in an SMS as a subscriber or a stranger would. Only where SMS go to a file, never in production."""
    del caller
    sid = sms.sid or f"LI{uuid4().hex}"
    with ctx.database.transaction() as session:
        outcome = take(session, IncomingSms(sid, sms.sender, sms.body), at=datetime.now(UTC))
        process_id = session.scalar(select(InboundSms.process_id).where(InboundSms.sid == sid))
    return InboundSmsView(sid=sid, outcome=outcome, process_id=process_id)
