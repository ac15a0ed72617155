"""The two kinds of failure, as Temporal sees them: a refusal is final, an outage is retried.

Failure texts reach workflow histories, and a database's error text quotes the row it is about. So only a refusal,
which is written without personal data, passes with its text; of anything else the class and SQLSTATE pass, and the
worker's log keeps where it happened.
"""

from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from models.contracts.refusals import Refusal

_log = structlog.get_logger()


def as_application_error(refusal: Refusal) -> ApplicationError:
    """The refusal as the failure of an activity or an update."""
    return ApplicationError(
        refusal.detail,
        refusal.kind.value,
        refusal.errors,
        type=refusal.slug,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,  # an answer to a person: neither an alarm nor a traceback
    )


class _Boundary(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the interface's own name
        try:
            return await super().execute_activity(input)
        except Refusal as refusal:
            raise as_application_error(refusal) from None
        except (ApplicationError, CancelledError):
            raise
        except Exception as failure:  # noqa: BLE001 - this boundary is for whatever comes
            kind = type(failure).__name__
            sqlstate = getattr(getattr(failure, "orig", None), "sqlstate", None)
            where = _innermost(failure)
            _log.warning(
                "activity_failed", activity=activity.info().activity_type, kind=kind, sqlstate=sqlstate, at=where
            )
            raise ApplicationError(f"{kind} {sqlstate or ''}".strip(), type=kind) from None


def _innermost(failure: BaseException) -> str:
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"


class FailureBoundary(Interceptor):
    """Wraps every activity of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - likewise
        """Put the boundary around the next interceptor."""
        return _Boundary(super().intercept_activity(next))
