"""What happens in a connection, in sentences: see `models.rules.sentences`."""

CONNECTION_EVENTS: dict[str, dict[str, str]] = {
    "application_registered": {
        "en": "{who} registered the application: tariff {tariff}, equipment: {equipment}. Port {port} is kept for it.",
        "ru": "{who}: заявка зарегистрирована, тариф {tariff}, оборудование: {equipment}. Закреплён порт {port}.",
        "kk": "{who}: өтінім тіркелді, тариф {tariff}, жабдық: {equipment}. {port} порты бекітілді.",
    },
    "contract_drawn_up": {
        "en": "Contract {number} is drawn up.",
        "ru": "Составлен договор {number}.",
        "kk": "{number} шарты жасалды.",
    },
    "prepayment_complete": {
        "en": "The connection is paid in full.",
        "ru": "Подключение оплачено полностью.",
        "kk": "Қосылу толық төленді.",
    },
    "prepayment_reminded": {
        "en": "No full payment yet ({outstanding} missing): the subscriber is reminded by SMS.",
        "ru": "Оплата не поступила полностью (не хватает {outstanding}): абоненту отправлено напоминание.",
        "kk": "Төлем толық түскен жоқ ({outstanding} жетпейді): абонентке еске салу жіберілді.",
    },
    "equipment_mounted": {
        "en": "{who} mounted the equipment: {serials}.",
        "ru": "{who}: оборудование смонтировано: {serials}.",
        "kk": "{who}: жабдық орнатылды: {serials}.",
    },
    "service_activated": {
        "en": "The service is switched on; it is charged from {active_on}.",
        "ru": "Услуга включена, начисление с {active_on}.",
        "kk": "Қызмет қосылды, есептеу {active_on} бастап.",
    },
    "connection_closed": {
        "en": "The connection is complete. The subscriber is told by SMS.",
        "ru": "Подключение завершено. Абоненту отправлено SMS.",
        "kk": "Қосылу аяқталды. Абонентке SMS жіберілді.",
    },
    "prepayment_expired": {
        "en": "The prepayment did not come in time: the application is cancelled.",
        "ru": "Предоплата не поступила в срок: заявка отменена.",
        "kk": "Алдын ала төлем мерзімінде түспеді: өтінім тоқтатылды.",
    },
    "application_withdrawn": {
        "en": "Undone: the port is free, the subscription is cancelled.",
        "ru": "Возвращено: порт свободен, подписка отменена.",
        "kk": "Қайтарылды: порт бос, жазылым тоқтатылды.",
    },
    "connection_cancelled": {
        "en": "The connection is cancelled. The subscriber is told by SMS.",
        "ru": "Подключение отменено. Абоненту отправлено SMS.",
        "kk": "Қосылу тоқтатылды. Абонентке SMS жіберілді.",
    },
}  # fmt: skip
