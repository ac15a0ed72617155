"""What happens in dunning, in sentences: see `models.rules.sentences`."""

_STEPS: dict[str, dict[str, str]] = {
    "dunning_notice": {
        "en": "SMS: a notice. {owed} has been owed since {anchor_on}; the step was due {due_at}.",
        "ru": "SMS: уведомление. Долг {owed} с {anchor_on}; срок шага {due_at}.",
        "kk": "SMS: хабарлама. Берешек {owed}, {anchor_on} бастап; қадам мерзімі {due_at}.",
    },
    "dunning_reminder": {
        "en": "SMS: a reminder. {owed} has been owed since {anchor_on}; the step was due {due_at}.",
        "ru": "SMS: напоминание. Долг {owed} с {anchor_on}; срок шага {due_at}.",
        "kk": "SMS: еске салу. Берешек {owed}, {anchor_on} бастап; қадам мерзімі {due_at}.",
    },
    "dunning_call_task": {
        "en": "The subscriber is to be called. {owed} has been owed since {anchor_on}; the step was due {due_at}.",
        "ru": "Абоненту нужно позвонить. Долг {owed} с {anchor_on}; срок шага {due_at}.",
        "kk": "Абонентке қоңырау шалу керек. Берешек {owed}, {anchor_on} бастап; қадам мерзімі {due_at}.",
    },
    "dunning_final_warning": {
        "en": "SMS: the final warning. Without payment of {owed} the service is restricted from {cut_on}.",
        "ru": "SMS: последнее предупреждение. Без оплаты {owed} услуга будет ограничена с {cut_on}.",
        "kk": "SMS: соңғы ескерту. {owed} төленбесе, қызмет {cut_on} бастап шектеледі.",
    },
    "dunning_throttle": {
        "en": "The service is slowed down. {owed} has been owed since {anchor_on}; warned {warned_at}.",
        "ru": "Скорость услуги снижена. Долг {owed} с {anchor_on}; предупреждение {warned_at}.",
        "kk": "Қызмет жылдамдығы төмендетілді. Берешек {owed}, {anchor_on} бастап; ескерту {warned_at}.",
    },
    "dunning_suspend": {
        "en": "The service is suspended. {owed} has been owed since {anchor_on}; warned {warned_at}.",
        "ru": "Услуга приостановлена. Долг {owed} с {anchor_on}; предупреждение {warned_at}.",
        "kk": "Қызмет тоқтатыла тұрды. Берешек {owed}, {anchor_on} бастап; ескерту {warned_at}.",
    },
    "dunning_disconnect": {
        "en": "The last step: the service is to be disconnected for a debt of {owed} since {anchor_on}.",
        "ru": "Последний шаг: услуга отключается за долг {owed} с {anchor_on}.",
        "kk": "Соңғы қадам: {anchor_on} бастап {owed} берешек үшін қызмет ажыратылады.",
    },
}
_WAITS: dict[str, dict[str, str]] = {
    "dunning_waits_promise": {
        "en": "Waits for the promised payment until {until_at}.",
        "ru": "Ожидает обещанную оплату до {until_at}.",
        "kk": "Уәде етілген төлемді {until_at} дейін күтеді.",
    },
    "dunning_waits_dispute": {
        "en": "Waits: {undisputed} of {owed} is not disputed, less than the minimum debt.",
        "ru": "Ожидает: не оспорено {undisputed} из {owed}, меньше минимального долга.",
        "kk": "Күтеді: {owed} ішінен {undisputed} даусыз, ең аз берешектен кем.",
    },
    "dunning_waits_exclusion": {
        "en": "Waits: the account is excluded from dunning until {until_at}.",
        "ru": "Ожидает: счёт исключён из взыскания до {until_at}.",
        "kk": "Күтеді: шот {until_at} дейін өндіріп алудан шығарылған.",
    },
    "dunning_waits_outage": {
        "en": "Waits: there is an outage where the subscriber is.",
        "ru": "Ожидает: у абонента авария или работы на сети.",
        "kk": "Күтеді: абонент жағында желіде апат немесе жұмыстар бар.",
    },
    "dunning_waits_disconnection": {
        "en": "Waits for the disconnection of the service.",
        "ru": "Ожидает завершения отключения услуги.",
        "kk": "Қызметтің ажыратылуын күтеді.",
    },
    "dunning_waits_freeze": {
        "en": "Waits: the subscriber has the service frozen.",
        "ru": "Ожидает: услуга заморожена абонентом.",
        "kk": "Күтеді: абонент қызметті тоқтатып қойған.",
    },
    "dunning_waits_payment_in_flight": {
        "en": "Waits: somebody has paid for this account, and accounting has yet to book it.",
        "ru": "Ожидает: оплата по счёту поступила, бухгалтерия её ещё не провела.",
        "kk": "Күтеді: шот бойынша төлем түсті, бухгалтерия оны әлі өткізген жоқ.",
    },
    "dunning_waits_warning_not_sent": {
        "en": "Waits: the final warning has not gone out yet, so nothing is cut.",
        "ru": "Ожидает: последнее предупреждение ещё не отправлено, ограничивать нельзя.",
        "kk": "Күтеді: соңғы ескерту әлі жіберілмеген, шектеуге болмайды.",
    },
    "dunning_waits_ladder_ended": {
        "en": "All steps are taken; {owed} is still owed.",
        "ru": "Все шаги выполнены; долг {owed} остаётся.",
        "kk": "Барлық қадам жасалды; {owed} берешек қалды.",
    },
}
_ROUNDS: dict[str, dict[str, str]] = {
    "dunning_resumed_payment_reversed": {
        "en": "A payment was taken back: {owed} is owed again. The ladder goes on with fair notice: {next}.",
        "ru": "Оплата отозвана: снова должны {owed}. Взыскание продолжается с предупреждением: {next}.",
        "kk": "Төлем кері қайтарылды: қайтадан {owed} берешек. Өндіріп алу ескертумен жалғасады: {next}.",
    },
    "dunning_resumed_dispute": {
        "en": "What is not disputed is less than the minimum debt: the service is given back, and warned of anew.",
        "ru": "Неоспоренный долг меньше минимального: услуга возвращена, предупреждение будет заново.",
        "kk": "Даусыз берешек ең аз сомадан кем: қызмет қайтарылды, ескерту қайта жасалады.",
    },
    "dunning_resumed_exclusion": {
        "en": "The account is excluded from dunning: the service is given back, and warned of anew.",
        "ru": "Счёт исключён из взыскания: услуга возвращена, предупреждение будет заново.",
        "kk": "Шот өндіріп алудан шығарылды: қызмет қайтарылды, ескерту қайта жасалады.",
    },
    "dunning_resumed_promise": {
        "en": "A payment is promised: the service is given back, and warned of anew.",
        "ru": "Обещана оплата: услуга возвращена, предупреждение будет заново.",
        "kk": "Төлем уәде етілді: қызмет қайтарылды, ескерту қайта жасалады.",
    },
    "dunning_resumed_warning_not_sent": {
        "en": "The final warning was withdrawn before it went: it is to be sent again.",
        "ru": "Последнее предупреждение отозвано до отправки: оно будет отправлено снова.",
        "kk": "Соңғы ескерту жіберілмей қайтарылды: ол қайта жіберіледі.",
    },
}
_ENDS: dict[str, dict[str, str]] = {
    "dunning_ended_paid": {
        "en": "The debt is paid: dunning ends.",
        "ru": "Долг оплачен: взыскание завершено.",
        "kk": "Берешек төленді: өндіріп алу аяқталды.",
    },
    "dunning_ended_below_minimum": {
        "en": "Only {owed} is owed, less than the minimum debt: dunning ends.",
        "ru": "Осталось {owed}, меньше минимального долга: взыскание завершено.",
        "kk": "{owed} ғана қалды, ең аз берешектен кем: өндіріп алу аяқталды.",
    },
    "dunning_ended_disconnected": {
        "en": "The service is disconnected: dunning ends. {owed} stays owed.",
        "ru": "Услуга отключена: взыскание завершено. Долг {owed} остаётся.",
        "kk": "Қызмет ажыратылды: өндіріп алу аяқталды. {owed} берешек қалады.",
    },
    "dunning_ended_cancelled": {
        "en": "Dunning is cancelled ({reason}): what was due until now is not dunned any more.",
        "ru": "Взыскание отменено ({reason}): долги до сегодняшнего дня больше не взыскиваются.",
        "kk": "Өндіріп алу тоқтатылды ({reason}): бүгінге дейінгі берешек енді өндірілмейді.",
    },
    "dunning_ended_lost": {
        "en": "The process was ended outside of Abonent; the next day's round takes the debt up where it stood.",
        "ru": "Процесс завершён вне Abonent; ближайший ежедневный обход продолжит взыскание с того же места.",
        "kk": "Үдеріс Abonent-тен тыс аяқталды; келесі күнгі тексеру берешекті сол жерінен жалғастырады.",
    },
}
_FACTS: dict[str, dict[str, str]] = {
    "dunning_opened": {
        "en": "{owed} is overdue since {anchor_on}: dunning begins, policy version {policy_version}, ladder {segment}.",
        "ru": "Долг {owed} с {anchor_on}: начато взыскание, версия политики {policy_version}, лестница {segment}.",
        "kk": "{anchor_on} бастап {owed} берешек: өндіріп алу басталды, саясат нұсқасы {policy_version}, {segment}.",
    },
    "dunning_disconnection_opened": {
        "en": "Disconnection {disconnection} is under way.",
        "ru": "Отключение {disconnection} начато.",
        "kk": "{disconnection} ажыратуы басталды.",
    },
    "dunning_disconnection_impossible": {
        "en": "The disconnection could not be begun: {detail}",
        "ru": "Отключение начать не удалось: {detail}",
        "kk": "Ажыратуды бастау мүмкін болмады: {detail}",
    },
    "dunning_suspension_impossible": {
        "en": "A service could not be suspended: {detail}",
        "ru": "Услугу приостановить не удалось: {detail}",
        "kk": "Қызметті тоқтата тұру мүмкін болмады: {detail}",
    },
    "dunning_service_restored": {
        "en": "The service is given back.",
        "ru": "Услуга возвращена.",
        "kk": "Қызмет қайтарылды.",
    },
    "dunning_network_followed": {
        "en": "The network has done so.",
        "ru": "Сеть переключена.",
        "kk": "Желі ауыстырылды.",
    },
    "dunning_network_refused": {
        "en": "The network can't do so: {detail}",
        "ru": "Сеть переключить не удалось: {detail}",
        "kk": "Желіні ауыстыру мүмкін болмады: {detail}",
    },
    "debtor_reached": {
        "en": "{who} spoke with the subscriber about the debt.{note}",
        "ru": "{who}: разговор с абонентом о долге.{note}",
        "kk": "{who}: абонентпен берешек туралы сөйлесті.{note}",
    },
    "debtor_refused": {
        "en": "{who}: the subscriber does not want to pay: {reason}",
        "ru": "{who}: абонент отказывается платить: {reason}",
        "kk": "{who}: абонент төлеуден бас тартты: {reason}",
    },
    "debtor_not_answering": {
        "en": "{who}: nobody answers.{note}",
        "ru": "{who}: никто не отвечает.{note}",
        "kk": "{who}: ешкім жауап бермейді.{note}",
    },
    "debtor_wrong_number": {
        "en": "{who}: the number is wrong, another one is needed.{note}",
        "ru": "{who}: номер неверный, нужен другой.{note}",
        "kk": "{who}: нөмір қате, басқасы керек.{note}",
    },
    "promise_made": {
        "en": "{who}: the subscriber promises to pay {amount} by {until_on}.",
        "ru": "{who}: абонент обещает оплатить {amount} до {until_on}.",
        "kk": "{who}: абонент {until_on} дейін {amount} төлеуге уәде берді.",
    },
    "promise_kept": {
        "en": "The promise to pay {amount} by {until_on} is kept.",
        "ru": "Обещание оплатить {amount} до {until_on} выполнено.",
        "kk": "{until_on} дейін {amount} төлеу уәдесі орындалды.",
    },
    "promise_broken": {
        "en": "The promise to pay {amount} by {until_on} is not kept.",
        "ru": "Обещание оплатить {amount} до {until_on} не выполнено.",
        "kk": "{until_on} дейін {amount} төлеу уәдесі орындалмады.",
    },
    "promise_withdrawn": {
        "en": "{who} withdrew the promise to pay {amount} by {until_on}.",
        "ru": "{who}: обещание оплатить {amount} до {until_on} отозвано.",
        "kk": "{who}: {until_on} дейін {amount} төлеу уәдесі қайтарылды.",
    },
    "dispute_opened": {
        "en": "{who}: invoice {number} is disputed: {reason}",
        "ru": "{who}: оспорен счёт {number}: {reason}",
        "kk": "{who}: {number} шоты даулы: {reason}",
    },
    "dispute_upheld": {
        "en": "{who} decided the dispute about invoice {number} for the subscriber: {note}",
        "ru": "{who}: спор по счёту {number} решён в пользу абонента: {note}",
        "kk": "{who}: {number} шоты бойынша дау абонент пайдасына шешілді: {note}",
    },
    "dispute_rejected": {
        "en": "{who} rejected the dispute about invoice {number}: {note}",
        "ru": "{who}: спор по счёту {number} отклонён: {note}",
        "kk": "{who}: {number} шоты бойынша дау қабылданбады: {note}",
    },
    "exclusion_added": {
        "en": "{who} excluded the account from dunning until {until_on}: {reason}",
        "ru": "{who}: счёт исключён из взыскания до {until_on}: {reason}",
        "kk": "{who}: шот {until_on} дейін өндіріп алудан шығарылды: {reason}",
    },
    "exclusion_ended": {
        "en": "{who} ended the exclusion from dunning.",
        "ru": "{who}: исключение из взыскания снято.",
        "kk": "{who}: өндіріп алудан шығару тоқтатылды.",
    },
}
_NEXT: dict[str, dict[str, str]] = {
    "dunning_next_not_due_yet": {
        "en": "The next step is due {until_at}.",
        "ru": "Следующий шаг: {until_at}.",
        "kk": "Келесі қадам: {until_at}.",
    },
    "dunning_next_pace": {
        "en": "The next step follows {until_at}: not so soon after the last one.",
        "ru": "Следующий шаг: {until_at}, не сразу после предыдущего.",
        "kk": "Келесі қадам: {until_at}, алдыңғысынан кейін бірден емес.",
    },
    "dunning_next_fair_notice": {
        "en": "Nothing is cut before {until_at}: the subscriber was warned too short a time ago.",
        "ru": "Ограничение не раньше {until_at}: предупреждение было недавно.",
        "kk": "Шектеу {until_at} бұрын емес: ескерту жақында болды.",
    },
    "dunning_next_quiet_hours": {
        "en": "Nobody is written to or called before {until_at}.",
        "ru": "До {until_at} не пишем и не звоним.",
        "kk": "{until_at} дейін жазбаймыз және қоңырау шалмаймыз.",
    },
    "dunning_next_no_cut_time": {
        "en": "Nothing is cut before {until_at}: a day off, the day before one, or after hours.",
        "ru": "До {until_at} не отключаем: выходной, канун выходного или нерабочее время.",
        "kk": "{until_at} дейін ажыратпаймыз: демалыс, демалыс алды немесе жұмыстан тыс уақыт.",
    },
}
STEP_TITLES: dict[str, dict[str, str]] = {
    "notice": {"en": "Notice", "ru": "Уведомление", "kk": "Хабарлама"},
    "reminder": {"en": "Reminder", "ru": "Напоминание", "kk": "Еске салу"},
    "call_task": {"en": "Call", "ru": "Звонок", "kk": "Қоңырау"},
    "final_warning": {"en": "Final warning", "ru": "Последнее предупреждение", "kk": "Соңғы ескерту"},
    "throttle": {"en": "Slower service", "ru": "Снижение скорости", "kk": "Жылдамдықты төмендету"},
    "suspend": {"en": "Suspension", "ru": "Приостановление", "kk": "Тоқтата тұру"},
    "disconnect": {"en": "Disconnection", "ru": "Отключение", "kk": "Ажырату"},
}
_WHY: dict[str, dict[str, str]] = {
    "dunning_why": {
        "en": "{title}, policy version {policy_version}, ladder {segment}: {after} days after {anchor_on}, the oldest "
        "unpaid due date. {owed} was owed, at least {minimum} are dunned. It was due {due_at} and taken {taken_at}; at "
        "that moment no payment, promise, dispute, exclusion, outage, disconnection or freeze spoke against it.",
        "ru": "{title}, версия политики {policy_version}, лестница {segment}: {after} дн. после {anchor_on}, самого "
        "раннего неоплаченного срока. Долг {owed}, взыскивается от {minimum}. Срок {due_at}, выполнено {taken_at}; в "
        "этот момент не было оплаты, обещания, спора, исключения, аварии, отключения или заморозки.",
        "kk": "{title}, саясат нұсқасы {policy_version}, саты {segment}: ең ерте төленбеген мерзім {anchor_on}, содан "
        "кейін {after} күн. Берешек {owed}, ең азы {minimum}. Мерзімі {due_at}, орындалды {taken_at}; сол сәтте төлем, "
        "уәде, дау, шығару, апат, ажырату немесе тоқтатып қою болған жоқ.",
    },
}
DUNNING_EVENTS: dict[str, dict[str, str]] = {
    **_FACTS,
    **_STEPS,
    **_WAITS,
    **_NEXT,
    **_ROUNDS,
    **_ENDS,
    **_WHY,
}
