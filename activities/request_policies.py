"""Versions of the policy of requests: read once, since a version never changes."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from activities import policies
from activities.dunning_policies import holidays_of_kazakhstan
from models.contracts.processes import ProcessKind
from models.contracts.refusals import invalid
from models.contracts.request_policy import CategoryTerms, RequestPolicy
from models.rules.working_hours import WorkingHours
from models.tables.catalogue import Policy


@dataclass(frozen=True)
class Terms:
    """What a request goes by: a version of the policy, with its working hours."""

    policy_id: UUID
    version: int
    policy: RequestPolicy
    hours: WorkingHours

    def category(self, code: str) -> CategoryTerms:
        """The terms of a category.

        Raises:
            Refusal: this version has no such category.
        """
        terms = self.policy.categories.get(code)
        if terms is None:
            raise invalid(
                "category_unknown", f"Choose one of: {', '.join(self.policy.categories)}.",
                {"category": "not a category of this request's policy"},
            )  # fmt: skip
        return terms


_terms: dict[UUID, Terms] = {}


def newest(session: Session) -> Terms:
    """The version that a request pins which is registered now; the first one is made where there is none."""
    return _of(policies.newest_or_first(session, ProcessKind.REQUEST, RequestPolicy))


def terms_of(session: Session, policy_id: UUID | None) -> Terms:
    """What a pinned version says."""
    assert policy_id is not None, "every request pins a version"
    known = _terms.get(policy_id)
    return _of(session.get_one(Policy, policy_id)) if known is None else known


def _of(version: Policy) -> Terms:
    known = _terms.get(version.id)
    if known is None:
        policy = RequestPolicy.model_validate(version.body)
        known = _terms[version.id] = Terms(version.id, version.version, policy, policy.hours(holidays_of_kazakhstan()))
    return known
