"""Names on Temporal. They are part of the contract: a running history knows them."""

from typing import Final

PROCESSES_QUEUE: Final = "processes"
MESSAGING_QUEUE: Final = "messaging"
BILLING_QUEUE: Final = "billing"

SEARCH_ATTRIBUTES: Final = ("ProcessKind", "Stage", "Department", "SubscriberId", "AccountNo")
"""All of them keywords; ids and words, never people."""

CONNECTION: Final = "Connection"
TARIFF_CHANGE: Final = "TariffChange"
DISCONNECTION: Final = "Disconnection"
DUNNING: Final = "Dunning"
OUTAGE: Final = "Outage"
REQUEST: Final = "Request"
OPEN_DUNNING: Final = "OpenDunning"
MESSAGE_DELIVERY: Final = "MessageDelivery"
BILLING_RUN: Final = "BillingRun"
CLARIFICATION: Final = "Clarification"
OPEN_MONTHLY_BILLING: Final = "OpenMonthlyBilling"
RECONCILIATION: Final = "Reconciliation"
OPEN_RECONCILIATIONS: Final = "OpenReconciliations"

MESSAGE_DELIVERY_ID: Final = "messaging/sms"
MONTHLY_BILLING_SCHEDULE: Final = "monthly-billing"
DAILY_RECONCILIATION_SCHEDULE: Final = "daily-reconciliation"
DAILY_DUNNING_SCHEDULE: Final = "daily-dunning"

COMPLETE_TASK: Final = "complete_task"
COMPLETE_TASK_SIGNAL: Final = "complete_task_signal"
CLAIM_TASK: Final = "claim_task"
CANCEL_PROCESS: Final = "cancel_process"
PAYMENT_RECEIVED: Final = "payment_received"
LOOK_AGAIN: Final = "look_again"
"""Something that dunning waits for may have changed, such as a promise or a hold; or an outage was moved or ended."""
ANOTHER_OUTAGE_CHANGED: Final = "another_outage_changed"
"""An outage of the same people: what they are to be told may be something else now."""
REQUEST_CHANGED: Final = "request_changed"
"""An answer, another owner, news of what a request follows: the request looks."""
BANK_DAY_CHANGED: Final = "bank_day_changed"
"""A registry, a statement, a late payment or a reversal: what a bank's day is made of may have changed."""
RESCHEDULE_VISIT: Final = "reschedule_visit"
STOCK_ARRIVED: Final = "stock_arrived"
MESSAGES_QUEUED: Final = "messages_queued"
STATE: Final = "state"

STEP_UNAVAILABLE: Final = "step_unavailable"
"""The type of the failure of an Update that could not be done for an outage, and may be repeated."""
PROGRESS: Final = "progress"

NOBODY_LISTENS: Final = "nobody listens"
"""What the relay notes of a signal whose process has ended."""
