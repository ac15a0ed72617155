"""What happens in a request, in sentences: see `models.rules.sentences`."""

REQUEST_EVENTS: dict[str, dict[str, str]] = {
    "request_registered": {
        "en": "{who} registered the request: {title_en}. It belongs to {department}.",
        "ru": "{who}: зарегистрировано обращение «{title_ru}», отдел «{department}».",
        "kk": "{who}: «{title_kk}» өтініші тіркелді, бөлімі «{department}».",
    },
    "request_joins_outage": {
        "en": "An outage explains it, expected to end {ends_at}: the request follows it ({follows}). The subscriber is "
        "told by SMS.",
        "ru": "Причина — авария или работы на сети, ожидаемое окончание {ends_at}: обращение связано с ними "
        "({follows}). Абоненту отправлено SMS.",
        "kk": "Себебі — желідегі апат немесе жұмыстар, күтілетін аяқталуы {ends_at}: өтініш солармен байланыстырылды "
        "({follows}). Абонентке SMS жіберілді.",
    },
    "request_joins_another": {
        "en": "The same person has an open request about the same: this one follows it ({follows}).",
        "ru": "По этому же вопросу уже есть открытое обращение: связано с ним ({follows}).",
        "kk": "Осы мәселе бойынша ашық өтініш бар: сонымен байланыстырылды ({follows}).",
    },
    "request_asked_again": {
        "en": "The same person asked about it again: request {process} follows this one.",
        "ru": "Обратились повторно: обращение {process} связано с этим.",
        "kk": "Қайта өтініш түсті: {process} өтініші осымен байланыстырылды.",
    },
    "request_outage_expected": {
        "en": "The outage is expected to end {ends_at}.",
        "ru": "Ожидаемое окончание аварии или работ: {ends_at}.",
        "kk": "Апаттың немесе жұмыстардың күтілетін аяқталуы: {ends_at}.",
    },
    "request_other_outage": {
        "en": "The outage is over, but another one keeps the service away ({follows}), expected to end {ends_at}.",
        "ru": "Авария устранена, но услуги нет из-за другой ({follows}), ожидаемое окончание {ends_at}.",
        "kk": "Апат жойылды, бірақ қызмет басқасына байланысты жоқ ({follows}), күтілетін аяқталуы {ends_at}.",
    },
    "request_outage_called_off": {
        "en": "There was no outage after all: the request goes on by itself.",
        "ru": "Аварии не было: обращение рассматривается отдельно.",
        "kk": "Апат болмаған: өтініш жеке қаралады.",
    },
    "request_outage_over": {
        "en": "The outage is over: the request is closed with it. The subscriber is told by SMS.",
        "ru": "Авария устранена: обращение закрыто вместе с ней. Абоненту отправлено SMS.",
        "kk": "Апат жойылды: өтініш сонымен бірге жабылды. Абонентке SMS жіберілді.",
    },
    "request_original_cancelled": {
        "en": "The request that it followed came to nothing ({follows}): it goes on by itself.",
        "ru": "Обращение, с которым оно было связано, не рассматривается ({follows}): это рассматривается отдельно.",
        "kk": "Байланысты өтініш қаралмайды ({follows}): бұл жеке қаралады.",
    },
    "request_closed_with_original": {
        "en": "The request that it followed is closed ({follows}), and this one with it.",
        "ru": "Связанное обращение закрыто ({follows}), это закрыто вместе с ним.",
        "kk": "Байланысты өтініш жабылды ({follows}), бұл да сонымен бірге жабылды.",
    },
    "request_started": {
        "en": "{who} started another process for it ({started}, {follows}): the request follows that.",
        "ru": "{who}: по обращению начат процесс ({started}, {follows}), ждём его окончания.",
        "kk": "{who}: өтініш бойынша үдеріс басталды ({started}, {follows}), оның аяқталуы күтіледі.",
    },
    "started_by_request": {
        "en": "{who} started it because of request {request}.",
        "ru": "{who}: начато по обращению {request}.",
        "kk": "{who}: {request} өтініші бойынша басталды.",
    },
    "request_started_cancelled": {
        "en": "What was started came to nothing ({started}, {follows}): it is the department's turn again.",
        "ru": "Начатый процесс отменён ({started}, {follows}): решение снова за отделом.",
        "kk": "Басталған үдеріс тоқтатылды ({started}, {follows}): шешім қайтадан бөлімде.",
    },
    "request_process_done": {
        "en": "What was started is done ({started}, {follows}): the request is closed with it.",
        "ru": "Начатый процесс завершён ({started}, {follows}): обращение закрыто.",
        "kk": "Басталған үдеріс аяқталды ({started}, {follows}): өтініш жабылды.",
    },
    "request_sorted": {
        "en": "{who} sorted the request: {title_en}, for {department}.",
        "ru": "{who}: обращение разобрано — «{title_ru}», отдел «{department}».",
        "kk": "{who}: өтініш сұрыпталды — «{title_kk}», бөлімі «{department}».",
    },
    "request_changed": {
        "en": "{who} changed the request: {title_en}, priority {priority}.",
        "ru": "{who}: обращение изменено — «{title_ru}», приоритет {priority}.",
        "kk": "{who}: өтініш өзгертілді — «{title_kk}», басымдығы {priority}.",
    },
    "request_identified": {
        "en": "{who} found out whose request it is: account {account_no}.",
        "ru": "{who}: абонент установлен, лицевой счёт {account_no}.",
        "kk": "{who}: абонент анықталды, дербес шот {account_no}.",
    },
    "request_handed_over": {
        "en": "{who} handed the request over to {department}.{note}",
        "ru": "{who}: обращение передано отделу «{department}».{note}",
        "kk": "{who}: өтініш «{department}» бөліміне берілді.{note}",
    },
    "request_asked": {
        "en": "{who} asked the subscriber something by SMS; the answer is waited for until {until_at}, with the clock "
        "standing still.",
        "ru": "{who}: абоненту задан вопрос по SMS; ответ ждём до {until_at}, срок приостановлен.",
        "kk": "{who}: абонентке SMS арқылы сұрақ қойылды; жауап {until_at} дейін күтіледі, мерзім тоқтатылды.",
    },
    "request_answered": {
        "en": "{who}: the subscriber has answered; the clock runs again.",
        "ru": "{who}: абонент ответил, срок снова идёт.",
        "kk": "{who}: абонент жауап берді, мерзім қайта есептеледі.",
    },
    "request_noted": {
        "en": "{who}: the subscriber added something.",
        "ru": "{who}: абонент дополнил обращение.",
        "kk": "{who}: абонент өтінішті толықтырды.",
    },
    "request_unanswered": {
        "en": "No answer came in time: the request goes on without it, and the clock runs again.",
        "ru": "Ответ не поступил в срок: работа продолжается без него, срок снова идёт.",
        "kk": "Жауап мерзімінде келмеді: жұмыс онсыз жалғасады, мерзім қайта есептеледі.",
    },
    "request_crew_wanted": {
        "en": "{who} sends a crew: {reason}.",
        "ru": "{who}: направляется бригада — {reason}.",
        "kk": "{who}: бригада жіберіледі — {reason}.",
    },
    "request_repaired": {
        "en": "{who}: the crew has done it: {report}.",
        "ru": "{who}: бригада выполнила работу: {report}.",
        "kk": "{who}: бригада жұмысты орындады: {report}.",
    },
    "request_not_repaired": {
        "en": "{who}: the crew could not do it: {report}.",
        "ru": "{who}: бригада не смогла выполнить работу: {report}.",
        "kk": "{who}: бригада жұмысты орындай алмады: {report}.",
    },
    "request_solved": {
        "en": "{who} solved the request. The subscriber is told by SMS.",
        "ru": "{who}: обращение решено. Абоненту отправлено SMS.",
        "kk": "{who}: өтініш шешілді. Абонентке SMS жіберілді.",
    },
    "request_declined": {
        "en": "{who} answered the request: it is not done. The subscriber is told by SMS why.",
        "ru": "{who}: дан ответ, выполнить нельзя. Абоненту отправлено SMS с причиной.",
        "kk": "{who}: жауап берілді, орындауға болмайды. Абонентке себебі SMS арқылы жіберілді.",
    },
    "request_rejected": {
        "en": "{who} found it to be no request: {reason}.",
        "ru": "{who}: не является обращением: {reason}.",
        "kk": "{who}: өтініш емес: {reason}.",
    },
    "request_reopened": {
        "en": "{who}: the subscriber is not content, the request is open again.",
        "ru": "{who}: абонент не удовлетворён, обращение открыто снова.",
        "kk": "{who}: абонент қанағаттанбады, өтініш қайта ашылды.",
    },
    "request_cancelled": {
        "en": "The request is cancelled.",
        "ru": "Обращение отменено.",
        "kk": "Өтініштің күші жойылды.",
    },
    "request_cancelled_too_late": {
        "en": "Too late to be cancelled: the request was closed just before.",
        "ru": "Отменять поздно: обращение только что закрыто.",
        "kk": "Тоқтатуға кеш: өтініш жаңа ғана жабылды.",
    },
    "request_warned": {
        "en": "Little time is left: it is due {due_at}. The head of {department} is told.",
        "ru": "Срок истекает {due_at}. Сообщено руководителю отдела «{department}».",
        "kk": "Мерзімі {due_at} аяқталады. «{department}» бөлімінің басшысына хабарланды.",
    },
    "request_breached": {
        "en": "Its time is over since {due_at}. The head of {department} is told.",
        "ru": "Срок нарушен с {due_at}. Сообщено руководителю отдела «{department}».",
        "kk": "Мерзімі {due_at} бастап бұзылды. «{department}» бөлімінің басшысына хабарланды.",
    },
}  # fmt: skip

PRIORITIES: dict[str, dict[str, str]] = {
    "low": {"en": "low", "ru": "низкий", "kk": "төмен"},
    "normal": {"en": "normal", "ru": "обычный", "kk": "қалыпты"},
    "high": {"en": "high", "ru": "высокий", "kk": "жоғары"},
    "urgent": {"en": "urgent", "ru": "срочный", "kk": "шұғыл"},
}

STARTED: dict[str, dict[str, str]] = {
    "connection": {"en": "connection", "ru": "подключение", "kk": "қосу"},
    "disconnection": {"en": "disconnection", "ru": "отключение", "kk": "ажырату"},
    "tariff_change": {"en": "tariff change", "ru": "смена тарифа", "kk": "тарифті ауыстыру"},
    "request": {"en": "request", "ru": "обращение", "kk": "өтініш"},
}
"""Processes that a request may follow, besides outages."""
