"""The delivery of SMS: one workflow that runs while something is queued, so the rate is kept however many workers."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from activities.messaging import DeliveryBatch, MessagingActivities
    from models.contracts.engine import MESSAGE_DELIVERY, MESSAGES_QUEUED

_BATCHES_A_RUN = 200
"""About ten events each; the engine suggests an end at about 4,000."""
_BREATH = timedelta(seconds=1)
"""Between two batches where the first found what is due in other hands."""


@workflow.defn(name=MESSAGE_DELIVERY)
class MessageDelivery:
    """Sends what is due, one batch after the other, sleeps until more is, and ends when nothing is left.

    Whoever queues a message signals with a start. Histories carry counts and instants.
    """

    def __init__(self) -> None:
        self._is_woken = False

    @workflow.run
    async def run(self) -> None:
        """Drain the queue."""
        for _ in range(_BATCHES_A_RUN):
            if workflow.info().is_continue_as_new_suggested():
                break
            # Whatever is queued from here on is seen by this batch or wakes the next one.
            self._is_woken = False
            batch = await self._send_due()
            if batch.next_due_at is None and not self._is_woken:
                return
            await self._rest(batch)
        workflow.continue_as_new()

    @workflow.signal(name=MESSAGES_QUEUED)
    def messages_queued(self) -> None:
        """Something was queued."""
        self._is_woken = True

    async def _send_due(self) -> DeliveryBatch:
        workflow.set_current_details("Sending what is due.")
        return await workflow.execute_activity_method(
            MessagingActivities.send_due,
            start_to_close_timeout=timedelta(minutes=10),
            # It beats at least every five seconds; for so long nothing is sent after a crash.
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary="Send the SMS that are due",
        )

    async def _rest(self, batch: DeliveryBatch) -> None:
        """Wait for the next message that is held or to be tried again, or for a new one."""
        if batch.next_due_at is None:
            return
        pause = batch.next_due_at - workflow.now()
        if batch.handled == 0:
            pause = max(pause, _BREATH)
        if pause <= timedelta(0):
            return
        workflow.set_current_details(
            f"Last batch: {batch.sent} sent, {batch.withdrawn} withdrawn, {batch.failed} failed, "
            f"{batch.postponed} postponed, {batch.unknown} unknown. "
            f"The next is due at {batch.next_due_at:%Y-%m-%d %H:%M:%S} UTC."
        )
        try:
            await workflow.wait_condition(
                lambda: self._is_woken, timeout=pause, timeout_summary="Until the next SMS is due"
            )
        except TimeoutError:
            return


WORKFLOWS = [MessageDelivery]
