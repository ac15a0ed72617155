"""The workflow sandbox, without a detour that costs a fifth of a worker's time.

For each payload that goes in or out, several times each, Temporal's library enters the sandbox to ask the workflow for
the context in which a context-aware data converter or an external payload store would want to see it. We use neither
(`workflows/engine.py`), so the answer is always «none», and is given here without entering.
"""

from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

SHARED = tuple(f"workflows.{kind}_process" for kind in ("staff", "subscriber", "equipped", "looking"))
"""What processes inherit is made once, not anew for each process; it holds no state of its own."""


class Sandbox(SandboxedWorkflowRunner):
    """The standard sandbox with all of its restrictions."""

    def __init__(self) -> None:
        super().__init__(SandboxRestrictions.default.with_passthrough_modules(*SHARED))

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Prepare one workflow to be run."""
        return _ContextFree(super().create_instance(det))


class _ContextFree(WorkflowInstance):
    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        del command_info

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        del command_info
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
