"""What Twilio calls: statuses of SMS, and SMS from subscribers. Believed only with Twilio's signature."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from activities.gateways.twilio_sms import STATUS_PATH
from activities.inbound import IncomingSms, take
from activities.message_callbacks import StatusReport, record_status
from api.context import Ctx
from api.problems import PROBLEMS
from models.contracts.refusals import forbidden, not_found

INBOUND_PATH = "/webhooks/twilio/inbound"
_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 100
_NO_ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_SID = re.compile(r"[A-Za-z0-9]{1,64}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_CODE = re.compile(r"[0-9]{1,9}")
_ATTEMPT = re.compile(r"[0-9]{1,4}")
_log = structlog.get_logger()

router = APIRouter(tags=["webhooks"], responses=PROBLEMS)


class TwilioForm(ImmutableMultiDict[str, str]):
    """The fields of a request that Twilio signed."""

    def value(self, name: str, pattern: re.Pattern[str]) -> str | None:
        """A field if it has the form that is expected of it."""
        value = self.get(name, "")
        return value if pattern.fullmatch(value) else None


async def _body(request: Request) -> bytes:
    """The body, read no further than a webhook's can reach."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "A webhook of Twilio is smaller than this.")
    return body


def _signed(request: Request, ctx: Ctx, body: Annotated[bytes, Depends(_body)]) -> TwilioForm:
    """The form, if Twilio signed it with the address under which the outside reaches the API.

    Raises:
        Refusal: SMS are not sent through Twilio here; or the signature is missing or wrong.
    """
    settings = ctx.settings
    if settings.sms_gateway != "twilio" or settings.twilio_auth_token is None or settings.public_url is None:
        raise not_found("webhook_unknown", "SMS are not sent through Twilio here: set SMS_GATEWAY=twilio.")
    query = f"?{request.url.query}" if request.url.query else ""
    url = settings.public_url.rstrip("/") + request.url.path + query
    form = _parsed(body)
    signature = request.headers.get("x-twilio-signature", "")
    validator = RequestValidator(settings.twilio_auth_token.get_secret_value())
    if form is None or not validator.validate(url, form, signature):
        raise forbidden(
            "signature_invalid",
            "This request does not carry Twilio's signature: compare PUBLIC_URL with the address that Twilio calls, "
            "and TWILIO_AUTH_TOKEN with the account's.",
        )
    return form


def _parsed(body: bytes) -> TwilioForm | None:
    try:
        return TwilioForm(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return None


SignedForm = Annotated[TwilioForm, Depends(_signed)]


def _form_schema(**fields: str) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


@router.post(
    STATUS_PATH,
    status_code=204,
    openapi_extra=_form_schema(
        MessageSid="Twilio's id of the message",
        MessageStatus="such as `delivered`",
        ErrorCode="why it was not delivered",
    ),
)
def take_status(form: SignedForm, request: Request, ctx: Ctx) -> None:
    """Twilio reports where an SMS stands. Unordered and repeated reports are harmless, unknown messages are ignored."""
    sid = form.value("MessageSid", _SID)
    if sid is None:
        return
    code = form.value("ErrorCode", _CODE)
    message_id, attempt = _reference(request.query_params)
    report = StatusReport(
        sid=sid,
        status=form.get("MessageStatus", ""),
        error_code=int(code) if code is not None and int(code) > 0 else None,
        message_id=message_id,
        attempt=attempt,
    )
    with ctx.database.transaction() as session:
        status = record_status(session, report, at=datetime.now(UTC))
    _log.info("sms_status_reported", sid=sid, status=status, code=report.error_code)


def _reference(query: Mapping[str, str]) -> tuple[UUID | None, int | None]:
    """Our message and attempt, which we wrote into the callback's address."""
    attempt = query.get("attempt", "")
    try:
        return UUID(query["message"]), int(attempt) if _ATTEMPT.fullmatch(attempt) else None
    except (KeyError, ValueError):
        return None, None


@router.post(
    INBOUND_PATH,
    response_class=Response,
    responses={
        200: {"content": {"application/xml": {"schema": {"type": "string"}}}, "description": "Nothing to answer"}
    },
    openapi_extra=_form_schema(From="the sender's number", Body="the text", MessageSid="Twilio's id of the message"),
)
def take_inbound(form: SignedForm, ctx: Ctx) -> Response:
    """An SMS from outside.

    STOP and START are remembered for the sender's number. Any other text becomes a request, answers what an open one
    asked, or reopens one that was solved lately. Sent again with the same MessageSid it changes nothing. It is answered
    by an SMS of its own, if at all. What does not come from a number, such as a bank's name, is acknowledged and left.
    """
    sender = form.value("From", _PHONE)
    # One without an id can't be known again, but is lost for nobody.
    sid = form.value("MessageSid", _SID) or f"XX{uuid4().hex}"
    if sender is None:
        _log.info("sms_ignored", sid=sid)
    else:
        sms = IncomingSms(sid, sender, form.get("Body", ""), form.get("OptOutType", ""))
        with ctx.database.transaction() as session:
            take(session, sms, at=datetime.now(UTC))
    return Response(_NO_ANSWER, media_type="application/xml")
