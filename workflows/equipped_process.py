"""What processes share that mount equipment: it is reserved in stock, and bought where it is missing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from temporalio import workflow

from workflows.subscriber_process import SubscriberProcess

with workflow.unsafe.imports_passed_through():
    from models.contracts.engine import STOCK_ARRIVED
    from models.contracts.processes import TaskDurations, TaskKind
    from models.contracts.stock import Equipment


class EquippedProcess(SubscriberProcess):
    """A process that mounts equipment at a subscriber's."""

    def __init__(self, process_id: UUID, tasks: TaskDurations) -> None:
        super().__init__(process_id, tasks)
        self._deliveries = 0

    async def equipment_is_reserved(
        self, *, reserve: Callable[..., Any], release: Callable[..., Any], stage: str
    ) -> None:
        """Reserve what is needed. What is missing is bought, and the process goes on by itself when it has come.

        Raises:
            Cancelled: it can't be bought, or the process was cancelled.
        """
        self.to_undo(release)
        while True:
            seen = self._deliveries
            equipment: Equipment = await self.step(reserve, self.now())
            if not equipment.missing:
                return
            purchase = await self.staff_task(
                TaskKind.PURCHASE,
                stage=stage,
                within=self.tasks.purchase,
                facts={"missing": equipment.missing},
                or_when=self._delivery_after(seen),
            )
            self.stop_if_impossible(purchase)

    @workflow.signal(name=STOCK_ARRIVED, description="Equipment came into stock")
    def stock_arrived(self, *_: Any) -> None:
        """Try to reserve what is missing."""
        self._deliveries += 1

    def _delivery_after(self, seen: int) -> Callable[[], bool]:
        return lambda: self._deliveries > seen
