"""SMS through Twilio's Messages resource."""

import logging
from datetime import datetime, timedelta
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from activities.gateways.sms import LONGEST_VALIDITY, Accepted, LookUpFailedError, NotSent, OutgoingSms, SendOutcome
from models.rules.sms_failures import FailureClass, failure_class

STATUS_PATH = "/webhooks/twilio/status"
TIMEOUT_SECONDS = 10.0
CONNECTIONS = 16
"""Kept open: as many as there are calls at once, with room for another batch beside."""
_SHORTEST_VALIDITY = timedelta(seconds=60)
_LOOK_UP_LIMIT = 1000
_TRIAL_PREFIX = "Sent from your Twilio trial account - "

# Twilio's client logs the query of a look-up, which is a subscriber's number.
_silent = logging.getLogger("abonent.twilio")
_silent.disabled = True


class TwilioSmsGateway:
    """Twilio's own client, bounded in time and without repetitions: Messages knows no idempotency key."""

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        sender: str,
        public_url: str,
        api_url: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Connects at the first call. `api_url` is for a test server that speaks Twilio's protocol."""
        http_client = TwilioHttpClient(timeout=timeout_seconds, logger=_silent)
        self._client = Client(account_sid, auth_token, http_client=http_client)
        if api_url is not None:
            self._client.api.base_url = api_url.rstrip("/")
        self._prepare_connections(http_client)
        self._sender = {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}
        self._status_url = public_url.rstrip("/") + STATUS_PATH

    def _prepare_connections(self, http_client: TwilioHttpClient) -> None:
        """Let calls share connections, and look for proxies and certificates in the environment once, not every time.

        The client keeps four connections and one for each processor, and closes what is more: a call on a new one costs
        three round trips. To look at the environment was a sixth of what a call takes of the processor.
        """
        session = http_client.session
        assert session is not None, "the client has a session unless told not to"
        found = session.merge_environment_settings(self._client.api.base_url, {}, None, None, None)
        session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def send(self, sms: OutgoingSms) -> SendOutcome:
        """Create a message. The callback's address names ours, so that a callback can't come too early to be known."""
        callback = urlencode({"message": str(sms.message_id), "attempt": sms.attempt})
        validity = max(_SHORTEST_VALIDITY, min(sms.valid_for, LONGEST_VALIDITY))
        try:
            created = self._client.messages.create(
                to=sms.to,
                body=sms.body,
                validity_period=int(validity.total_seconds()),
                status_callback=f"{self._status_url}?{callback}",
                **self._sender,
            )
        except (TwilioRestException, TwilioServiceException) as refusal:
            return NotSent(failure_class(refusal.code, refusal.status), str(refusal.code or refusal.status))
        except requests.RequestException as failure:
            if _never_reached(failure):
                return NotSent(FailureClass.LATER, "not_connected")
            return NotSent(FailureClass.UNKNOWN, "no_answer")
        except (TwilioException, ValueError, TypeError, AttributeError):
            # An answer that the client can't read, such as a proxy's page.
            return NotSent(FailureClass.UNKNOWN, "bad_answer")
        return Accepted(str(created.sid)) if created.sid else NotSent(FailureClass.UNKNOWN, "bad_answer")

    def find(self, *, to: str, body: str, since: datetime) -> list[str]:
        """List what went to the number. Not filtered by DateSent: a message that still waits at Twilio has none."""
        try:
            listed = self._client.messages.list(to=to, limit=_LOOK_UP_LIMIT)
        except (TwilioException, requests.RequestException, ValueError, TypeError, AttributeError) as failure:
            raise LookUpFailedError(f"Twilio's list of messages: {type(failure).__name__}") from None
        since = since.replace(microsecond=0)
        found = [
            message
            for message in listed
            if message.sid and message.date_created is not None and message.date_created >= since
            if (message.body or "").removeprefix(_TRIAL_PREFIX).strip() == body.strip()
        ]
        found.sort(key=lambda message: message.date_created, reverse=True)
        return [str(message.sid) for message in found]


def _never_reached(failure: requests.RequestException) -> bool:
    """Whether no connection was made, so that nothing can have been processed."""
    if isinstance(failure, requests.ConnectTimeout):
        return True
    cause = failure.args[0] if failure.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError | ConnectTimeoutError)
