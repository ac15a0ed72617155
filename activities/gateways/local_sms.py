"""SMS written to a file, for a machine that must not send any."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ValidationError

from activities.gateways.sms import Accepted, LookUpFailedError, NotSent, OutgoingSms, SendOutcome
from models.rules.sms_failures import FailureClass

FILE_NAME = "sms.jsonl"


class LocalSms(BaseModel):
    """One line of the file: an SMS that a provider would have taken."""

    sid: str
    message_id: UUID
    attempt: int
    to: str
    body: str
    accepted_at: AwareDatetime


class LocalSmsGateway:
    """Appends every SMS to `sms.jsonl` in the given folder, readable for its owner only, and finds it there again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def send(self, sms: OutgoingSms) -> SendOutcome:
        """Append the SMS as one line; several processes may do so at once."""
        line = LocalSms(
            sid=f"LM{uuid4().hex}",
            message_id=sms.message_id,
            attempt=sms.attempt,
            to=sms.to,
            body=sms.body,
            accepted_at=datetime.now(UTC),
        )
        try:
            self._append(json.dumps(line.model_dump(mode="json"), ensure_ascii=False))
        except OSError:
            return NotSent(FailureClass.UNKNOWN, "file_not_written")
        return Accepted(line.sid)

    def find(self, *, to: str, body: str, since: datetime) -> list[str]:
        """Look the SMS up in the file."""
        newest_first = reversed(self.sent())
        return [sms.sid for sms in newest_first if (sms.to, sms.body) == (to, body) and sms.accepted_at >= since]

    def sent(self) -> list[LocalSms]:
        """Everything that was sent, oldest first.

        Raises:
            LookUpFailedError: the file is there and can't be read.
        """
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as failure:
            raise LookUpFailedError("the file of local SMS can't be read") from failure
        return [sms for sms in map(_parsed, lines) if sms is not None]

    def _append(self, line: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # The mode above holds for a new file only, and less the umask.
            os.fchmod(descriptor, 0o600)
            # One write, begun and ended by a line end: lines of two processes never mix, and one that was torn when
            # a process died spoils only itself.
            record = f"\n{line}\n".encode()
            if os.write(descriptor, record) != len(record):
                raise OSError(errno.ENOSPC, "the line was written in part")
        finally:
            os.close(descriptor)


def _parsed(line: bytes) -> LocalSms | None:
    try:
        return LocalSms.model_validate_json(line)
    except ValidationError:
        return None
