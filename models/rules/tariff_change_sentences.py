"""What happens in a tariff change, in sentences: see `models.rules.sentences`."""

TARIFF_CHANGE_EVENTS: dict[str, dict[str, str]] = {
    "tariff_change_requested": {
        "en": "{who} registered the wish for tariff {to_tariff} instead of {from_tariff}, from {planned_on} at the "
        "earliest.",
        "ru": "{who}: зарегистрирована смена тарифа {from_tariff} на {to_tariff}, не раньше {planned_on}.",
        "kk": "{who}: {from_tariff} тарифін {to_tariff} тарифіне ауыстыру тіркелді, {planned_on} күнінен ерте емес.",
    },
    "nothing_owed": {
        "en": "Debt control: nothing is owed, the change goes on by itself.",
        "ru": "Контроль задолженности: долга нет, смена тарифа продолжается сама.",
        "kk": "Берешекті тексеру: берешек жоқ, тариф ауыстыру өздігінен жалғасады.",
    },
    "debt_found": {
        "en": "Debt control: {debt} is owed. The change waits until it is paid by {due_on}, or accounting lets it be.",
        "ru": "Контроль задолженности: долг {debt}. Смена ждёт оплаты до {due_on} или решения бухгалтерии.",
        "kk": "Берешекті тексеру: берешек {debt}. Ауыстыру {due_on} дейін төлемді немесе бухгалтерияның шешімін "
        "күтеді.",
    },
    "debt_reminded": {
        "en": "Still owed: {outstanding}. The subscriber is reminded by SMS.",
        "ru": "Долг ещё не оплачен: {outstanding}. Абоненту отправлено напоминание.",
        "kk": "Берешек әлі төленген жоқ: {outstanding}. Абонентке еске салу жіберілді.",
    },
    "debt_paid": {
        "en": "The debt is paid: the change goes on.",
        "ru": "Долг оплачен: смена тарифа продолжается.",
        "kk": "Берешек төленді: тариф ауыстыру жалғасады.",
    },
    "debt_allowed": {
        "en": "{who} lets the tariff change although {debt} was owed: {reason}.",
        "ru": "{who}: смена тарифа разрешена при долге {debt}: {reason}.",
        "kk": "{who}: {debt} берешегі бола тұра тариф ауыстыруға рұқсат берілді: {reason}.",
    },
    "debt_not_paid": {
        "en": "The debt was not paid in time: the change is given up.",
        "ru": "Долг не оплачен в срок: смена тарифа отменена.",
        "kk": "Берешек мерзімінде төленбеді: тариф ауыстыру тоқтатылды.",
    },
    "equipment_fits": {
        "en": "Equipment and port work with tariff {tariff}: nobody needs to go there.",
        "ru": "Оборудование и порт подходят для тарифа {tariff}: визит не нужен.",
        "kk": "Жабдық пен порт {tariff} тарифіне сай келеді: барудың қажеті жоқ.",
    },
    "equipment_unfit": {
        "en": "Tariff {tariff} needs other equipment: {equipment}. A crew replaces it.",
        "ru": "Тариф {tariff} требует другого оборудования: {equipment}. Его заменит бригада.",
        "kk": "{tariff} тарифіне басқа жабдық қажет: {equipment}. Оны бригада ауыстырады.",
    },
    "port_kept": {
        "en": "The port does not carry tariff {tariff}: port {port} is kept, and a crew moves the line.",
        "ru": "Порт не выдерживает тариф {tariff}: закреплён порт {port}, линию переключит бригада.",
        "kk": "Порт {tariff} тарифін көтермейді: {port} порты бекітілді, желіні бригада ауыстырады.",
    },
    "port_moved": {
        "en": "{who} moved the line to port {port}.",
        "ru": "{who}: линия переключена на порт {port}.",
        "kk": "{who}: желі {port} портына ауыстырылды.",
    },
    "kept_port_released": {
        "en": "Undone: port {port} is free again.",
        "ru": "Возвращено: порт {port} свободен.",
        "kk": "Қайтарылды: {port} порты бос.",
    },
    "equipment_replaced": {
        "en": "{who} mounted {mounted}. Taken back in order: {in_order}; broken: {broken}; lost: {lost}.",
        "ru": "{who}: установлено {mounted}. Снято исправное: {in_order}; неисправное: {broken}; утеряно: {lost}.",
        "kk": "{who}: орнатылды {mounted}. Жарамды алынды: {in_order}; жарамсыз: {broken}; жоғалған: {lost}.",
    },
    "lost_equipment_billed": {
        "en": "Invoice {number} for {total} is issued for the lost equipment, due {due_on}.",
        "ru": "За утерянное оборудование выставлен счёт {number} на {total}, оплатить до {due_on}.",
        "kk": "Жоғалған жабдық үшін {number} шоты {total} сомасына жазылды, төлеу мерзімі {due_on}.",
    },
    "effective_day_set": {
        "en": "Everything is ready: tariff {tariff} takes effect on {effective_on}. The subscriber is told by SMS.",
        "ru": "Всё готово: тариф {tariff} начнёт действовать {effective_on}. Абоненту отправлено SMS.",
        "kk": "Бәрі дайын: {tariff} тарифі {effective_on} күнінен қолданылады. Абонентке SMS жіберілді.",
    },
    "tariff_changed": {
        "en": "Tariff {tariff} applies from {effective_on} on: {fee} a month. On the next invoice for {month}: {next}.",
        "ru": "С {effective_on} действует тариф {tariff}: {fee} в месяц. В следующем счёте за {month}: {next}.",
        "kk": "{effective_on} бастап {tariff} тарифі қолданылады: айына {fee}. Келесі шотта {month} үшін: {next}.",
    },
    "tariff_change_closed": {
        "en": "The change is complete. The subscriber is told by SMS.",
        "ru": "Смена тарифа завершена. Абоненту отправлено SMS.",
        "kk": "Тариф ауыстыру аяқталды. Абонентке SMS жіберілді.",
    },
    "tariff_change_cancelled": {
        "en": "The change is given up, the tariff stays. The subscriber is told by SMS.",
        "ru": "Смена тарифа отменена, тариф прежний. Абоненту отправлено SMS.",
        "kk": "Тариф ауыстыру тоқтатылды, тариф бұрынғы күйінде. Абонентке SMS жіберілді.",
    },
}  # fmt: skip
