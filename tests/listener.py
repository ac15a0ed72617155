"""A workflow for tests of the relay; a module of its own keeps the workflow sandbox small."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel


class Note(BaseModel):
    number: int


class Order(BaseModel):
    account_no: str
    subscriber_id: str


@workflow.defn(name="Listener")
class Listener:
    """Hears notes until it is told to stop."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.bells = 0
        self.stopped = False

    @workflow.run
    async def run(self, note: Note | None = None) -> list[int]:
        if note is not None:
            self.heard.insert(0, note.number)
        await workflow.wait_condition(lambda: self.stopped)
        return self.heard

    @workflow.signal(name="note")
    def note(self, note: Note) -> None:
        self.heard.append(note.number)

    @workflow.signal(name="bell")
    def bell(self) -> None:
        self.bells += 1

    @workflow.signal(name="stop")
    def stop(self) -> None:
        self.stopped = True

    @workflow.query(name="heard")
    def all_heard(self) -> list[int]:
        return self.heard

    @workflow.query(name="bells")
    def all_bells(self) -> int:
        return self.bells
