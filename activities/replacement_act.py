"""What stands in the act of replaced equipment («акт замены оборудования»)."""

from datetime import date
from uuid import UUID

from sqlalchemy.orm import Session

from activities.document_facts import completed_task, crew_of, handed_over, local_date, order_of
from activities.return_act import contract_number, given_back
from models.contracts.documents import OperatorDetails, ReplacementActFacts
from models.contracts.field_forms import Replaced
from models.contracts.processes import TaskKind
from models.contracts.refusals import conflict
from models.tables.catalogue import Tariff
from models.tables.tariff_changes import TariffChange


def replacement_act_facts(
    session: Session, process_id: UUID, on: date, operator: OperatorDetails
) -> ReplacementActFacts:
    """What the replacement act of a tariff change says: what was mounted, and what was taken back and how.

    Raises:
        Refusal: the process is about no service, or nothing is replaced yet.
    """
    order = order_of(session, process_id)
    task = completed_task(session, process_id, TaskKind.REPLACE, "replaced")
    if task is None:
        raise conflict("not_replaced", "Nothing is replaced yet: complete the task of the replacement first.")
    assert task.completed_at is not None, "the table says so of a task that is done"
    work = Replaced.model_validate(task.data)
    change = session.get_one(TariffChange, process_id)
    return ReplacementActFacts(
        language=order.language, drawn_up_on=on, operator=operator, subscriber=order.party,
        contract_number=contract_number(session, process_id),
        tariff=session.get_one(Tariff, change.to_tariff_id).title,
        replaced_on=local_date(task.completed_at, operator), crew=crew_of(session, process_id),
        mounted=handed_over(session, work.serials, work.swaps), taken_back=given_back(session, work.equipment),
        optical_power_dbm=work.readings.optical_power_dbm, download_mbps=work.readings.download_mbps,
        cable_metres=work.readings.cable_metres,
    )  # fmt: skip
