"""What each outcome of a staff task does to the world, in the transaction that marks the task as done."""

from activities.accounting_effects import ACCOUNTING_EFFECTS
from activities.completion import Effects
from activities.field_effects import FIELD_EFFECTS

EFFECTS: Effects = {**FIELD_EFFECTS, **ACCOUNTING_EFFECTS}
"""Exactly the outcomes that have a form; a test proves it."""
