"""What happens in a billing run, in sentences: see `models.rules.sentences`."""

BILLING_EVENTS: dict[str, dict[str, str]] = {
    "billing_run_opened": {
        "en": "{who} opened the billing run of {period}.",
        "ru": "{who}: открыто начисление за {period}.",
        "kk": "{who}: {period} айының есептеуі ашылды.",
    },
    "billing_preview_opened": {
        "en": "{who} opened a dry run of the billing of {period}: nothing will be posted.",
        "ru": "{who}: открыто пробное начисление за {period}, проводок не будет.",
        "kk": "{who}: {period} айының сынақ есептеуі ашылды, жазба жасалмайды.",
    },
    "billing_run_planned": {
        "en": "{accounts} accounts in {partitions} parts; invoices are of {issued_on}, due {due_on}.",
        "ru": "Лицевых счетов: {accounts}, частей: {partitions}; дата счетов {issued_on}, срок оплаты {due_on}.",
        "kk": "Дербес шоттар: {accounts}, бөліктер: {partitions}; шоттар күні {issued_on}, төлеу мерзімі {due_on}.",
    },
    "billing_run_completed": {
        "en": "Billed: {invoices} invoices for {invoiced}. Given back to {accounts_credited} accounts: {credited}. "
        "Exceptions: {exceptions}, nothing due: {nothing_due}, of {accounts} accounts. SMS asked for: {notices}.",
        "ru": "Начислено: счетов {invoices} на {invoiced}. Возвращено кредит-нотами по {accounts_credited} лицевым "
        "счетам: {credited}. Исключений: {exceptions}, нечего начислять: {nothing_due}, всего лицевых счетов: "
        "{accounts}. SMS в очереди: {notices}.",
        "kk": "Есептелді: {invoiced} сомасына {invoices} шот. {accounts_credited} дербес шотқа қайтарылды: {credited}. "
        "Ерекше жағдай: {exceptions}, есептейтін ештеңе жоқ: {nothing_due}, барлық дербес шот: {accounts}. "
        "Кезектегі SMS: {notices}.",
    },
    "billing_run_cancelled": {
        "en": "The run is cancelled ({reason}). {invoices} invoices for {invoiced} are issued and stay so; {left} "
        "accounts were not reached. SMS asked for: {notices}. A new run of the month goes on with the rest.",
        "ru": "Начисление остановлено ({reason}). Выставлено и остаётся в силе: счетов {invoices} на {invoiced}; не "
        "обработано лицевых счетов: {left}. SMS в очереди: {notices}. Новое начисление за месяц продолжит "
        "с остального.",
        "kk": "Есептеу тоқтатылды ({reason}). {invoiced} сомасына {invoices} шот жазылды және күшінде қалады; "
        "өңделмеген дербес шот: {left}. Кезектегі SMS: {notices}. Айдың жаңа есептеуі қалғанын жалғастырады.",
    },
    "billing_run_failed": {
        "en": "The run stopped on a fault ({reason}). {invoices} invoices for {invoiced} are issued and stay so; "
        "{left} accounts were not reached. Once it is mended, a new run of the month goes on with the rest.",
        "ru": "Начисление прервано ошибкой ({reason}). Выставлено и остаётся в силе: счетов {invoices} на {invoiced}; "
        "не обработано лицевых счетов: {left}. После исправления новое начисление за месяц продолжит с остального.",
        "kk": "Есептеу қатеден тоқтады ({reason}). {invoiced} сомасына {invoices} шот жазылды және күшінде қалады; "
        "өңделмеген дербес шот: {left}. Түзетілгеннен кейін айдың жаңа есептеуі қалғанын жалғастырады.",
    },
    "billing_run_lost": {
        "en": "The run was ended in the Temporal UI. What it issued stays issued; a new run of the month goes on with "
        "the rest.",
        "ru": "Начисление завершено в Temporal UI. Выставленное остаётся в силе; новое начисление за месяц продолжит "
        "с остального.",
        "kk": "Есептеу Temporal UI арқылы аяқталды. Жазылған шоттар күшінде қалады; айдың жаңа есептеуі қалғанын "
        "жалғастырады.",
    },
    "billing_preview_completed": {
        "en": "Dry run: {invoices} invoices for {invoiced} would be issued, and {credited} given back to "
        "{accounts_credited} accounts. Exceptions: {exceptions}, nothing due: {nothing_due}, of {accounts} accounts. "
        "Nothing was posted.",
        "ru": "Пробное начисление: было бы счетов {invoices} на {invoiced}, возвращено по {accounts_credited} лицевым "
        "счетам: {credited}. Исключений: {exceptions}, нечего начислять: {nothing_due}, всего лицевых счетов: "
        "{accounts}. Проводок нет.",
        "kk": "Сынақ есептеу: {invoiced} сомасына {invoices} шот жазылар еді, {accounts_credited} дербес шотқа "
        "{credited} қайтарылар еді. Ерекше жағдай: {exceptions}, есептейтін ештеңе жоқ: {nothing_due}, барлық дербес "
        "шот: {accounts}. Жазба жасалмады.",
    },
    "billing_preview_cancelled": {
        "en": "The dry run is cancelled ({reason}); {left} accounts were not looked at. Nothing was posted.",
        "ru": "Пробное начисление остановлено ({reason}); не просмотрено лицевых счетов: {left}. Проводок нет.",
        "kk": "Сынақ есептеу тоқтатылды ({reason}); қаралмаған дербес шот: {left}. Жазба жасалмады.",
    },
    "billing_preview_failed": {
        "en": "The dry run stopped on a fault ({reason}); {left} accounts were not looked at. Nothing was posted.",
        "ru": "Пробное начисление прервано ошибкой ({reason}); не просмотрено лицевых счетов: {left}. Проводок нет.",
        "kk": "Сынақ есептеу қатеден тоқтады ({reason}); қаралмаған дербес шот: {left}. Жазба жасалмады.",
    },
    "exception_billed": {
        "en": "{who} billed account {account_no} alone: invoice {number} for {total}.",
        "ru": "{who}: лицевой счёт {account_no} начислен отдельно, счёт {number} на {total}.",
        "kk": "{who}: {account_no} дербес шоты бөлек есептелді, {total} сомасына {number} шоты.",
    },
    "exception_has_nothing_due": {
        "en": "{who} billed account {account_no} alone: nothing is due any more.",
        "ru": "{who}: лицевой счёт {account_no} начислен отдельно, начислять нечего.",
        "kk": "{who}: {account_no} дербес шоты бөлек есептелді, есептейтін ештеңе қалмады.",
    },
}
