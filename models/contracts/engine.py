"""Names on Temporal. They are part of the contract: a running history knows them."""

from typing import Final

PROCESSES_QUEUE: Final = "processes"
MESSAGING_QUEUE: Final = "messaging"
BILLING_QUEUE: Final = "billing"

SEARCH_ATTRIBUTES: Final = ("ProcessKind", "Stage", "Department", "SubscriberId", "AccountNo")
"""All of them keywords; ids and words, never people."""

CONNECTION: Final = "Connection"
MESSAGE_DELIVERY: Final = "MessageDelivery"
BILLING_RUN: Final = "BillingRun"
OPEN_MONTHLY_BILLING: Final = "OpenMonthlyBilling"

MESSAGE_DELIVERY_ID: Final = "messaging/sms"
MONTHLY_BILLING_SCHEDULE: Final = "monthly-billing"

COMPLETE_TASK: Final = "complete_task"
COMPLETE_TASK_SIGNAL: Final = "complete_task_signal"
CLAIM_TASK: Final = "claim_task"
CANCEL_PROCESS: Final = "cancel_process"
PAYMENT_RECEIVED: Final = "payment_received"
RESCHEDULE_VISIT: Final = "reschedule_visit"
STOCK_ARRIVED: Final = "stock_arrived"
MESSAGES_QUEUED: Final = "messages_queued"
STATE: Final = "state"

STEP_UNAVAILABLE: Final = "step_unavailable"
"""The type of the failure of an Update that could not be done for an outage, and may be repeated."""
PROGRESS: Final = "progress"
