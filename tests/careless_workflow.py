"""A workflow whose module forgets to pass an import through to the sandbox: what the check of it has to see."""

from temporalio import workflow

from models.contracts.engine import CONNECTION


@workflow.defn(name="Careless")
class Careless:
    """Does nothing."""

    @workflow.run
    async def run(self) -> str:
        return CONNECTION
