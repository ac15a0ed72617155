"""What each staff task asks for."""

TASK_TITLES: dict[str, dict[str, str]] = {
    "triage_request": {
        "en": "Sort the request: what it is about, whose it is",
        "ru": "Разобрать обращение: о чём оно и чьё",
        "kk": "Өтінішті сұрыптау: не туралы және кімдікі",
    },
    "handle_request": {
        "en": "Handle the request",
        "ru": "Обработать обращение",
        "kk": "Өтінішті орындау",
    },
    "repair": {
        "en": "Visit the subscriber because of their request",
        "ru": "Выехать к абоненту по обращению",
        "kk": "Өтініш бойынша абонентке бару",
    },
    "purchase": {
        "en": "Buy the missing equipment and enter the delivery",
        "ru": "Закупить недостающее оборудование и внести поставку",
        "kk": "Жетіспейтін жабдықты сатып алып, жеткізілімді енгізу",
    },
    "assign_crew": {
        "en": "Assign a crew and a time",
        "ru": "Назначить бригаду и время",
        "kk": "Бригада мен уақытты тағайындау",
    },
    "install": {
        "en": "Install the equipment at the subscriber's",
        "ru": "Смонтировать оборудование у абонента",
        "kk": "Жабдықты абонентте орнату",
    },
    "sign_act": {
        "en": "Have the act signed",
        "ru": "Подписать акт",
        "kk": "Актіге қол қойғызу",
    },
    "mend_network": {
        "en": "Set the network back by hand: it refused to be set back",
        "ru": "Вернуть настройки сети вручную: сеть отказала",
        "kk": "Желі баптауын қолмен қайтару: желі қабылдамады",
    },
    "control_debt": {
        "en": "Decide whether the tariff may change although something is owed",
        "ru": "Решить, можно ли сменить тариф при задолженности",
        "kk": "Берешек бола тұра тарифті ауыстыруға бола ма, соны шешу",
    },
    "replace": {
        "en": "Replace the equipment at the subscriber's",
        "ru": "Заменить оборудование у абонента",
        "kk": "Абоненттегі жабдықты ауыстыру",
    },
    "call_debtor": {
        "en": "Call the subscriber about their debt",
        "ru": "Позвонить абоненту о задолженности",
        "kk": "Берешек туралы абонентке қоңырау шалу",
    },
    "refund": {
        "en": "Refund the subscriber's money, move it to another account, or keep it",
        "ru": "Вернуть деньги абоненту, перенести на другой счёт или оставить",
        "kk": "Абоненттің ақшасын қайтару, басқа шотқа ауыстыру немесе қалдыру",
    },
    "settle_account": {
        "en": "Settle the account of a subscriber who leaves: invoice or write off",
        "ru": "Проверить расчёты отключаемого абонента: выставить счёт или списать",
        "kk": "Ажыратылатын абоненттің есебін тексеру: шот жазу немесе есептен шығару",
    },
    "approve_write_off": {
        "en": "Approve the write-off of a debt",
        "ru": "Утвердить списание долга",
        "kk": "Берешекті есептен шығаруды бекіту",
    },
    "dismantle": {
        "en": "Dismantle the equipment at the subscriber's",
        "ru": "Демонтировать оборудование у абонента",
        "kk": "Абоненттегі жабдықты бөлшектеу",
    },
    "get_registry": {
        "en": "Get the bank's registry of the day",
        "ru": "Получить реестр банка за день",
        "kk": "Банктен күндік тізілімді алу",
    },
    "check_registry": {
        "en": "Decide about a registry that does not agree with itself",
        "ru": "Принять решение по реестру, который не сходится",
        "kk": "Өзімен сәйкес келмейтін тізілім бойынша шешім қабылдау",
    },
    "post_payment": {
        "en": "Post the payment that only the bank has",
        "ru": "Провести платёж, который есть только у банка",
        "kk": "Тек банкте бар төлемді жүргізу",
    },
    "reverse_payment": {
        "en": "Take back the payment that the bank does not confirm",
        "ru": "Сторнировать платёж, который банк не подтверждает",
        "kk": "Банк растамаған төлемді сторнолау",
    },
    "correct_payment": {
        "en": "Correct the payment: take it back and post it as the bank has it",
        "ru": "Исправить платёж: сторнировать и провести как у банка",
        "kk": "Төлемді түзету: сторнолап, банктегідей қайта жүргізу",
    },
    "accept_date": {
        "en": "Accept the day on which the bank has the payment",
        "ru": "Принять дату платежа по реестру банка",
        "kk": "Төлемнің банк тізіліміндегі күнін қабылдау",
    },
    "explain_difference": {
        "en": "Say why the bank's registry and the books differ",
        "ru": "Указать причину расхождения реестра с учётом",
        "kk": "Тізілім мен есептің айырмашылық себебін көрсету",
    },
    "resolve_differences": {
        "en": "Decide about many differences together",
        "ru": "Принять решение по расхождениям списком",
        "kk": "Айырмашылықтар тізімі бойынша шешім қабылдау",
    },
    "settle_bank_day": {
        "en": "Find the bank's transfer for the day",
        "ru": "Найти перечисление банка за день",
        "kk": "Банктің күндік аударымын табу",
    },
    "give_outage_end": {
        "en": "Say whether the outage is over, or give its new expected end",
        "ru": "Указать, устранена ли авария или завершены ли работы, или назвать новый срок",
        "kk": "Апат жойылды ма, жұмыс аяқталды ма, соны көрсету немесе жаңа мерзімін айту",
    },
    "find_payer": {
        "en": "Find out whose payment this is, or return it to the bank",
        "ru": "Выяснить, чья это оплата, или вернуть её банку",
        "kk": "Төлемнің кімдікі екенін анықтау немесе банкке қайтару",
    },
    "review_conflict": {
        "en": "Find out which of the bank's two reports of one transaction is right",
        "ru": "Выяснить, какое из двух сообщений банка об одной операции верно",
        "kk": "Бір операция туралы банктің екі хабарының қайсысы дұрыс екенін анықтау",
    },
}
