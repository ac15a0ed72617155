"""What each outcome of a staff task does to the world, in the transaction that marks the task as done."""

from activities.accounting_effects import ACCOUNTING_EFFECTS
from activities.clarification_effects import CLARIFICATION_EFFECTS
from activities.completion import Effects
from activities.disconnection_effects import DISCONNECTION_EFFECTS
from activities.dunning_effects import DUNNING_EFFECTS
from activities.field_effects import FIELD_EFFECTS
from activities.outage_effects import OUTAGE_EFFECTS
from activities.reconciliation_effects import RECONCILIATION_EFFECTS
from activities.request_effects import REQUEST_EFFECTS
from activities.tariff_change_effects import TARIFF_CHANGE_EFFECTS

EFFECTS: Effects = {
    **FIELD_EFFECTS,
    **DISCONNECTION_EFFECTS,
    **ACCOUNTING_EFFECTS,
    **DUNNING_EFFECTS,
    **OUTAGE_EFFECTS,
    **CLARIFICATION_EFFECTS,
    **TARIFF_CHANGE_EFFECTS,
    **RECONCILIATION_EFFECTS,
    **REQUEST_EFFECTS,
}
"""Exactly the outcomes that have a form; a test proves it."""
