"""The forms of all staff tasks: for each outcome, what a person fills in.

The JSON Schema of these models is what `GET /v1/tasks` shows and what a completion is checked against.
"""

from models.contracts.accounting_forms import ACCOUNTING_FORMS
from models.contracts.clarification_forms import CLARIFICATION_FORMS
from models.contracts.dunning_forms import DUNNING_FORMS
from models.contracts.field_forms import FIELD_FORMS
from models.contracts.form import Form
from models.contracts.outage_forms import OUTAGE_FORMS
from models.contracts.processes import TaskKind
from models.contracts.reconciliation_forms import RECONCILIATION_FORMS
from models.contracts.request_forms import REQUEST_FORMS

FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    **FIELD_FORMS,
    **ACCOUNTING_FORMS,
    **CLARIFICATION_FORMS,
    **DUNNING_FORMS,
    **OUTAGE_FORMS,
    **RECONCILIATION_FORMS,
    **REQUEST_FORMS,
}
"""The first outcome of each kind is the usual one."""
