"""What happens in the process of an outage. See `models.rules.sentences`."""

_FACTS: dict[str, dict[str, str]] = {
    "outage_registered_planned": {
        "en": "{who} registered planned works on {nodes} from {starts_at} until {ends_at}: {reason}",
        "ru": "{who}: плановые работы на {nodes} с {starts_at} до {ends_at}: {reason}",
        "kk": "{who}: {nodes} торабында {starts_at} – {ends_at} аралығында жоспарлы жұмыстар: {reason}",
    },
    "outage_registered_emergency": {
        "en": "{who} registered an emergency on {nodes} since {starts_at}, expected until {ends_at}: {reason}",
        "ru": "{who}: авария на {nodes} с {starts_at}, ожидаемое окончание {ends_at}: {reason}",
        "kk": "{who}: {nodes} торабында {starts_at} бастап апат, күтілетін аяқталуы {ends_at}: {reason}",
    },
    "outage_listed": {
        "en": "It affects {services} services of {subscribers} subscribers.",
        "ru": "Затронуто услуг: {services}, абонентов: {subscribers}.",
        "kk": "Әсер ететін қызметтер: {services}, абоненттер: {subscribers}.",
    },
    "outage_began": {
        "en": "It has begun; dunning of those affected waits.",
        "ru": "Перерыв начался; взыскание с затронутых абонентов приостановлено.",
        "kk": "Үзіліс басталды; әсер еткен абоненттерден өндіріп алу тоқтатыла тұрады.",
    },
    "outage_moved": {
        "en": "{who} gave it another time: from {starts_at} until {ends_at}.",
        "ru": "{who}: новое время, с {starts_at} до {ends_at}.",
        "kk": "{who}: жаңа уақыты {starts_at} – {ends_at}.",
    },
    "outage_nodes_changed": {
        "en": "{who} changed what it covers: {nodes}.",
        "ru": "{who}: изменён состав узлов: {nodes}.",
        "kk": "{who}: тораптар құрамы өзгертілді: {nodes}.",
    },
    "outage_reason": {
        "en": "{who} changed the reason: {reason}",
        "ru": "{who}: изменена причина: {reason}",
        "kk": "{who}: себебі өзгертілді: {reason}",
    },
    "outage_overrun": {
        "en": "It is not over, although it was expected to end {ends_at}.",
        "ru": "Перерыв не завершён, хотя ожидался до {ends_at}.",
        "kk": "Үзіліс аяқталған жоқ, күтілген мерзімі {ends_at} еді.",
    },
    "outage_ended": {
        "en": "{who}: it is over since {ended_at}.",
        "ru": "{who}: перерыв завершён {ended_at}.",
        "kk": "{who}: үзіліс {ended_at} аяқталды.",
    },
    "outage_called_off": {
        "en": "{who}: it does not take place.",
        "ru": "{who}: перерыва не будет.",
        "kk": "{who}: үзіліс болмайды.",
    },
    "outage_cancelled": {
        "en": "{who} cancelled the outage: {reason}",
        "ru": "{who}: перерыв отменён: {reason}",
        "kk": "{who}: үзіліс жойылды: {reason}",
    },
    "outage_dunning_goes_on": {
        "en": "Dunning goes on for {accounts} accounts.",
        "ru": "Взыскание продолжено, лицевых счетов: {accounts}.",
        "kk": "Өндіріп алу жалғасады, дербес шоттар: {accounts}.",
    },
    "outage_credited": {
        "en": "{services} services get {sum} back on their next bills.",
        "ru": "Возврат в следующих счетах: услуг {services}, всего {sum}.",
        "kk": "Келесі шоттарда қайтарылады: {services} қызмет, барлығы {sum}.",
    },
    "outage_closed": {
        "en": "Closed: {services} services affected; of {told} SMS {delivered} were delivered, {failed} failed, {sent} "
        "have no receipt and {queued} were not sent; {withdrawn} were withdrawn. {credited_services} services were "
        "credited {credited}.",
        "ru": "Закрыто. Затронуто услуг: {services}. SMS: {told}, доставлено {delivered}, не доставлено {failed}, без "
        "отчёта {sent}, не отправлено {queued}, отозвано {withdrawn}. Возврат: услуг {credited_services}, {credited}.",
        "kk": "Жабылды. Әсер еткен қызметтер: {services}. SMS: {told}, жеткізілді {delivered}, жеткізілмеді {failed}, "
        "есепсіз {sent}, жіберілмеді {queued}, қайтарып алынды {withdrawn}. Қайтарым: {credited_services} қызмет, "
        "{credited}.",
    },
}
_TOLD: dict[str, dict[str, str]] = {
    "announced": {
        "en": "SMS to {people} people: when there will be no service.",
        "ru": "SMS {people} абонентам: когда не будет связи.",
        "kk": "{people} абонентке SMS: байланыс қашан болмайды.",
    },
    "begun": {
        "en": "SMS to {people} people: there is no service because of works.",
        "ru": "SMS {people} абонентам: связи нет из-за работ.",
        "kk": "{people} абонентке SMS: жұмысқа байланысты байланыс жоқ.",
    },
    "emergency": {
        "en": "SMS to {people} people: there is no service because of a fault.",
        "ru": "SMS {people} абонентам: связи нет из-за аварии.",
        "kk": "{people} абонентке SMS: апатқа байланысты байланыс жоқ.",
    },
    "moved": {
        "en": "SMS to {people} people: there will be no service at another time.",
        "ru": "SMS {people} абонентам: время перерыва изменилось.",
        "kk": "{people} абонентке SMS: үзіліс уақыты өзгерді.",
    },
    "new_end": {
        "en": "SMS to {people} people: the service will be back at another time.",
        "ru": "SMS {people} абонентам: связь вернётся в другое время.",
        "kk": "{people} абонентке SMS: байланыс басқа уақытта қалпына келеді.",
    },
    "overrun": {
        "en": "SMS to {people} people: it takes longer than expected.",
        "ru": "SMS {people} абонентам: восстановление занимает больше времени.",
        "kk": "{people} абонентке SMS: қалпына келтіру ұзаққа созылуда.",
    },
    "called_off": {
        "en": "SMS to {people} people: it does not take place.",
        "ru": "SMS {people} абонентам: перерыв отменён.",
        "kk": "{people} абонентке SMS: үзіліс жойылды.",
    },
    "restored": {
        "en": "SMS to {people} people: the service is back.",
        "ru": "SMS {people} абонентам: связь восстановлена.",
        "kk": "{people} абонентке SMS: байланыс қалпына келді.",
    },
}
OUTAGE_EVENTS: dict[str, dict[str, str]] = {
    **_FACTS,
    **{f"outage_told_{occasion}": texts for occasion, texts in _TOLD.items()},
}
