"""What people bring about in a tariff change: a debt let be, replaced equipment, a network set right by hand."""

from activities import equipment_replacement
from activities.completion import Completion, Effects, make_impossible, note_completed
from activities.field_effects import note_absence
from activities.process_messages import say
from models.contracts import accounting_forms, field_forms
from models.contracts.messaging import Urgency
from models.contracts.processes import TaskKind
from models.contracts.stock import EquipmentCondition
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.billing import Invoice


def _allow_debt(completion: Completion) -> None:
    form = completion.filled(accounting_forms.DebtAllowed)
    completion.tell("debt_allowed", debt_minor=completion.task.facts["debt_minor"], reason=form.reason)


def _replace(completion: Completion) -> None:
    form, process = completion.filled(field_forms.Replaced), completion.process
    port_no = equipment_replacement.replace(completion.session, process, form, at=completion.at)
    found = {
        condition: [one.serial for one in form.equipment if one.condition is condition]
        for condition in EquipmentCondition
    }
    lost = found[EquipmentCondition.LOST]
    completion.tell(
        "equipment_replaced", mounted=form.serials, in_order=found[EquipmentCondition.TESTED_OK],
        broken=found[EquipmentCondition.BROKEN], lost=lost,
    )  # fmt: skip
    if port_no is not None:
        completion.tell("port_moved", port=port_no)
    invoice = equipment_replacement.bill_lost(completion.session, process, lost, on=completion.on)
    if invoice is not None:
        _tell_lost(completion, invoice)


def _tell_lost(completion: Completion, invoice: Invoice) -> None:
    completion.tell(
        "lost_equipment_billed", number=invoice.number, total_minor=invoice.total_minor,
        due_on=invoice.due_on.isoformat(),
    )  # fmt: skip
    say(
        completion.session, completion.process, Template.LOST_EQUIPMENT, at=completion.at, urgency=Urgency.REQUESTED,
        sum=tenge(invoice.total_minor), due_on=f"{invoice.due_on:%d.%m.%Y}",
    )  # fmt: skip


def _mend_network(completion: Completion) -> None:
    note_completed(completion, completion.filled(field_forms.NetworkMended).comment)


TARIFF_CHANGE_EFFECTS: Effects = {
    (TaskKind.CONTROL_DEBT, "allowed"): _allow_debt,
    (TaskKind.CONTROL_DEBT, "refused"): make_impossible,
    (TaskKind.REPLACE, "replaced"): _replace,
    (TaskKind.REPLACE, "absent"): note_absence,
    (TaskKind.REPLACE, "impossible"): make_impossible,
    (TaskKind.MEND_NETWORK, "mended"): _mend_network,
}
