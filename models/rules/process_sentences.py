"""What happens in any process: tasks, visits, acts, money, cancelling. See `models.rules.sentences`."""

PROCESS_EVENTS: dict[str, dict[str, str]] = {
    "equipment_reserved": {
        "en": "Equipment is reserved in stock: {serials}.",
        "ru": "Оборудование зарезервировано на складе: {serials}.",
        "kk": "Жабдық қоймада резервке қойылды: {serials}.",
    },
    "equipment_missing": {
        "en": "Not in stock: {missing}. Procurement is asked to buy it.",
        "ru": "Нет на складе: {missing}. Снабжению поставлена задача на закупку.",
        "kk": "Қоймада жоқ: {missing}. Жабдықтау бөліміне сатып алу тапсырмасы берілді.",
    },
    "refused_for_good": {
        "en": "This can't be done: {detail}",
        "ru": "Выполнить невозможно: {detail}",
        "kk": "Орындау мүмкін емес: {detail}",
    },
    "invoice_issued": {
        "en": "Invoice {number} for {total} is issued; {outstanding} is to be paid by {due_on}.",
        "ru": "Выставлен счёт {number} на {total}; к оплате {outstanding} до {due_on}.",
        "kk": "{number} шоты {total} сомасына жазылды; {due_on} дейін төленуі тиіс: {outstanding}.",
    },
    "payment_received": {
        "en": "{who} reported a payment of {amount}, receipt {receipt_no}.",
        "ru": "{who}: поступила оплата {amount}, квитанция {receipt_no}.",
        "kk": "{who}: {amount} төлем түсті, түбіртек {receipt_no}.",
    },
    "payment_reversed": {
        "en": "The payment of {amount} from {who}, receipt {receipt_no}, was taken back.",
        "ru": "{who}: оплата {amount} отозвана, квитанция {receipt_no}.",
        "kk": "{who}: {amount} төлемі кері қайтарылды, түбіртек {receipt_no}.",
    },
    "task_opened": {
        "en": "Task for {department}: {title}. Due {due_at}.",
        "ru": "Задача отделу «{department}»: {title}. Срок {due_at}.",
        "kk": "«{department}» бөліміне тапсырма: {title}. Мерзімі {due_at}.",
    },
    "task_claimed": {
        "en": "{who} took the task on: {title}.",
        "ru": "{who}: задача взята в работу — {title}.",
        "kk": "{who}: тапсырма жұмысқа алынды — {title}.",
    },
    "task_completed": {
        "en": "{who} completed the task ({title}): {outcome}.{note}",
        "ru": "{who}: задача выполнена ({title}) — {outcome}.{note}",
        "kk": "{who}: тапсырма орындалды ({title}) — {outcome}.{note}",
    },
    "task_escalated": {
        "en": "Overdue since {due_at}: {title}. The head of {department} is told.",
        "ru": "Просрочено с {due_at}: {title}. Сообщено руководителю отдела «{department}».",
        "kk": "{due_at} бастап мерзімі өтті: {title}. «{department}» бөлімінің басшысына хабарланды.",
    },
    "task_withdrawn": {
        "en": "The task is no longer needed: {title}.",
        "ru": "Задача больше не нужна: {title}.",
        "kk": "Тапсырма енді қажет емес: {title}.",
    },
    "act_refused": {
        "en": "An act from the Temporal UI was refused: {detail}",
        "ru": "Действие из Temporal UI отклонено: {detail}",
        "kk": "Temporal UI арқылы жасалған әрекет қабылданбады: {detail}",
    },
    "visit_booked": {
        "en": "{who} assigned {crew} for {starts_at}.",
        "ru": "{who}: назначена {crew} на {starts_at}.",
        "kk": "{who}: {crew} тағайындалды, уақыты {starts_at}.",
    },
    "visit_moved": {
        "en": "{who} moved the visit: {crew}, {starts_at}.",
        "ru": "{who}: визит перенесён — {crew}, {starts_at}.",
        "kk": "{who}: келу уақыты ауыстырылды — {crew}, {starts_at}.",
    },
    "scheduling_postponed": {
        "en": "{who} postponed the scheduling until {until_at}: {reason}.",
        "ru": "{who}: назначение отложено до {until_at}: {reason}.",
        "kk": "{who}: тағайындау {until_at} дейін кейінге қалдырылды: {reason}.",
    },
    "subscriber_absent": {
        "en": "{who} found nobody at home: a new visit is needed.",
        "ru": "{who}: абонента не оказалось дома, нужен новый визит.",
        "kk": "{who}: абонент үйде болмады, қайта келу қажет.",
    },
    "act_drawn_up": {
        "en": "Act {number} is drawn up.",
        "ru": "Составлен акт {number}.",
        "kk": "{number} актісі жасалды.",
    },
    "act_signed": {
        "en": "{who}: act {number} is signed.",
        "ru": "{who}: акт {number} подписан.",
        "kk": "{who}: {number} актісіне қол қойылды.",
    },
    "cancel_requested": {
        "en": "{who} cancels the process: {reason}.",
        "ru": "{who} отменяет процесс: {reason}.",
        "kk": "{who} үдерісті тоқтатады: {reason}.",
    },
    "cancel_refused": {
        "en": "Not cancelled: {detail}",
        "ru": "Отмена отклонена: {detail}",
        "kk": "Тоқтату қабылданбады: {detail}",
    },
    "task_made_impossible": {
        "en": "{who}: this can't be done ({reason}); the process is cancelled.",
        "ru": "{who}: выполнить невозможно ({reason}); процесс отменён.",
        "kk": "{who}: орындау мүмкін емес ({reason}); үдеріс тоқтатылды.",
    },
    "service_switched_off": {
        "en": "Undone: the service is off, the port is passive.",
        "ru": "Возвращено: услуга выключена.",
        "kk": "Қайтарылды: қызмет өшірілді.",
    },
    "visit_freed": {
        "en": "Undone: the crew's slot is free again.",
        "ru": "Возвращено: время бригады освобождено.",
        "kk": "Қайтарылды: бригаданың уақыты босатылды.",
    },
    "invoice_credited": {
        "en": "Undone: invoice {number} is credited by {credit_note}.",
        "ru": "Возвращено: счёт {number} сторнирован, {credit_note}.",
        "kk": "Қайтарылды: {number} шоты сторноланды, {credit_note}.",
    },
    "equipment_released": {
        "en": "Undone: equipment is back in stock: {serials}.",
        "ru": "Возвращено: оборудование на складе: {serials}.",
        "kk": "Қайтарылды: жабдық қоймада: {serials}.",
    },
    "advance_left": {
        "en": "{advance} of the subscriber's money is on their balance: accounting decides about a refund.",
        "ru": "На балансе абонента осталось {advance}: решение о возврате за бухгалтерией.",
        "kk": "Абоненттің балансында {advance} қалды: қайтару туралы шешімді бухгалтерия қабылдайды.",
    },
    "advance_refunded": {
        "en": "{who} refunded {amount} by payment order {payment_order}.",
        "ru": "{who}: возвращено {amount}, платёжное поручение {payment_order}.",
        "kk": "{who}: {amount} қайтарылды, төлем тапсырмасы {payment_order}.",
    },
    "advance_kept": {
        "en": "{who}: the money stays on the subscriber's balance.",
        "ru": "{who}: деньги остаются на балансе абонента.",
        "kk": "{who}: ақша абоненттің балансында қалады.",
    },
}  # fmt: skip
