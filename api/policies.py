"""Policies: data with versions. A new version is for processes that start after it; those under way keep theirs."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import func, select, text

from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.billing_run import BillingPolicy
from models.contracts.clarification import ClarificationPolicy
from models.contracts.connection import ConnectionPolicy
from models.contracts.disconnection import DisconnectionPolicy
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.inbound import INBOUND_POLICY, InboundPolicy
from models.contracts.outage import OutagePolicy
from models.contracts.people import Role
from models.contracts.processes import ProcessKind
from models.contracts.reconciliation_process import ReconciliationPolicy
from models.contracts.refusals import invalid, not_found
from models.contracts.request_policy import RequestPolicy
from models.contracts.tariff_change import TariffChangePolicy
from models.tables.catalogue import Policy

router = APIRouter(prefix="/v1/policies", tags=["policies"], responses=PROBLEMS)

POLICIES: dict[str, type[BaseModel]] = {
    ProcessKind.CONNECTION: ConnectionPolicy,
    ProcessKind.DISCONNECTION: DisconnectionPolicy,
    ProcessKind.TARIFF_CHANGE: TariffChangePolicy,
    ProcessKind.CLARIFICATION: ClarificationPolicy,
    ProcessKind.DUNNING: DunningPolicy,
    ProcessKind.OUTAGE: OutagePolicy,
    ProcessKind.RECONCILIATION: ReconciliationPolicy,
    ProcessKind.REQUEST: RequestPolicy,
    "billing": BillingPolicy,
    INBOUND_POLICY: InboundPolicy,
}


class PolicyView(BaseModel):
    """One version of a policy. Durations are ISO 8601, such as P3D or PT5S."""

    code: str
    version: int
    body: dict[str, Any]
    valid_from: datetime
    created_by: str


class NewPolicy(BaseModel):
    """The next version; what the body does not name has its default."""

    model_config = ConfigDict(extra="forbid")
    body: dict[str, Any]


@router.get("")
def list_policies(
    ctx: Ctx, caller: Annotated[StaffCaller, Depends(staff())], page: Annotated[PageQuery, Depends()]
) -> Page[PolicyView]:
    """All versions of all policies, oldest first."""
    del caller
    with ctx.database.transaction() as session:
        return page_of(session, select(Policy), Policy.id, page, _view)


@router.post("/{code}", status_code=201)
def add_version(
    code: str, new: NewPolicy, ctx: Ctx, caller: Annotated[StaffCaller, Depends(staff(Role.ADMIN))]
) -> PolicyView:
    """Add a version. It is checked here, so that no process starts with a policy that can't work."""
    model = POLICIES.get(code)
    if model is None:
        raise not_found("policy_unknown", f"There are policies for: {', '.join(POLICIES)}.")
    try:
        body = model.model_validate(new.body).model_dump(mode="json")
    except ValidationError as failure:
        errors = {".".join(map(str, ("body", *error["loc"]))): error["msg"] for error in failure.errors()}
        raise invalid("policy_invalid", "Mend the fields that are named under errors.", errors) from None
    with ctx.database.transaction() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:code, 2))"), {"code": code})
        newest = session.scalar(select(func.max(Policy.version)).where(Policy.code == code)) or 0
        policy = Policy(code=code, version=newest + 1, body=body, created_by=caller.actor)
        session.add(policy)
        session.flush()
        session.refresh(policy)
        return _view(policy)


def _view(policy: Policy) -> PolicyView:
    return PolicyView(
        code=policy.code, version=policy.version, body=policy.body, valid_from=policy.valid_from,
        created_by=policy.created_by,
    )  # fmt: skip
