"""What happens in a disconnection, in sentences: see `models.rules.sentences`."""

DISCONNECTION_EVENTS: dict[str, dict[str, str]] = {
    "disconnection_requested": {
        "en": "{who} registered the wish to leave: {reason}. The first day without the service is {requested_on}.",
        "ru": "{who}: зарегистрировано отключение по желанию абонента: {reason}. Первый день без услуги — "
        "{requested_on}.",
        "kk": "{who}: абоненттің қалауымен ажырату тіркелді: {reason}. Қызметсіз бірінші күн — {requested_on}.",
    },
    "disconnection_for_debt": {
        "en": "{who} ordered the disconnection for a debt of {debt}: {reason}. Paid in full before the dismantling, "
        "the service comes back.",
        "ru": "{who}: отключение за долг {debt}: {reason}. При полной оплате до демонтажа услуга возобновится.",
        "kk": "{who}: {debt} берешегі үшін ажырату: {reason}. Бөлшектеуге дейін толық төленсе, қызмет қайта қосылады.",
    },
    "account_settled": {
        "en": "Accounting's control: nothing is owed, the final billing is {final}. It goes on by itself.",
        "ru": "Контроль бухгалтерии: долга нет, заключительный расчёт {final}. Отключение продолжается само.",
        "kk": "Бухгалтерия бақылауы: берешек жоқ, қорытынды есеп {final}. Ажырату өздігінен жалғасады.",
    },
    "account_owes": {
        "en": "Accounting's control: {outstanding} is to be paid; the final billing is {final}.",
        "ru": "Контроль бухгалтерии: к оплате {outstanding}; заключительный расчёт {final}.",
        "kk": "Бухгалтерия бақылауы: төленуі тиіс {outstanding}; қорытынды есеп {final}.",
    },
    "final_credit_issued": {
        "en": "More was charged than the service costs up to its end: {credited} is given back by {credit_notes}.",
        "ru": "Начислено больше, чем стоит услуга до её конца: {credited} возвращено, {credit_notes}.",
        "kk": "Қызмет аяқталғанға дейінгі құнынан артық есептелген: {credited} қайтарылды, {credit_notes}.",
    },
    "payment_awaited": {
        "en": "{outstanding} is to be paid by {due_on}; the subscriber is told by SMS.",
        "ru": "К оплате {outstanding} до {due_on}; абоненту отправлено SMS.",
        "kk": "{due_on} дейін {outstanding} төленуі тиіс; абонентке SMS жіберілді.",
    },
    "settlement_reminded": {
        "en": "{outstanding} is still to be paid: the subscriber is reminded by SMS.",
        "ru": "Не оплачено {outstanding}: абоненту отправлено напоминание.",
        "kk": "{outstanding} төленген жоқ: абонентке еске салу жіберілді.",
    },
    "settlement_expired": {
        "en": "The payment did not come in time: {outstanding} is open, accounting decides.",
        "ru": "Оплата не поступила в срок: открыто {outstanding}, решение за бухгалтерией.",
        "kk": "Төлем мерзімінде түспеді: {outstanding} ашық, шешімді бухгалтерия қабылдайды.",
    },
    "write_off_asked": {
        "en": "{who} asks to write the debt off: {reason}.",
        "ru": "{who} просит списать долг: {reason}.",
        "kk": "{who} берешекті есептен шығаруды сұрайды: {reason}.",
    },
    "write_off_declined": {
        "en": "{who}: the debt is not written off: {reason}.",
        "ru": "{who}: в списании долга отказано: {reason}.",
        "kk": "{who}: берешекті есептен шығарудан бас тартылды: {reason}.",
    },
    "debt_written_off": {
        "en": "{who} approved: {amount} is written off.",
        "ru": "{who}: списание утверждено, списано {amount}.",
        "kk": "{who}: бекітілді, {amount} есептен шығарылды.",
    },
    "nothing_to_dismantle": {
        "en": "There is no equipment at the subscriber's: no crew has to go there.",
        "ru": "Оборудования у абонента нет: выезд бригады не нужен.",
        "kk": "Абонентте жабдық жоқ: бригаданың баруы қажет емес.",
    },
    "equipment_dismantled": {
        "en": "{who} took the equipment down. Back in stock: {tested_ok}; scrapped: {broken}; lost: {lost}.",
        "ru": "{who}: оборудование демонтировано. На склад: {tested_ok}; списано: {broken}; утрачено: {lost}.",
        "kk": "{who}: жабдық бөлшектелді. Қоймаға: {tested_ok}; есептен шығарылды: {broken}; жоғалды: {lost}.",
    },
    "act_not_signed": {
        "en": "{who}: the subscriber does not sign the act ({reason}). It stays unsigned, and the process goes on.",
        "ru": "{who}: абонент не подписывает акт ({reason}). Акт остаётся без подписи, процесс продолжается.",
        "kk": "{who}: абонент актіге қол қоймайды ({reason}). Акт қолсыз қалады, үдеріс жалғасады.",
    },
    "service_terminated": {
        "en": "The service has ended: it is charged up to {ended_on}, that day not included.",
        "ru": "Услуга прекращена: начисление до {ended_on}, не включая этот день.",
        "kk": "Қызмет тоқтатылды: есептеу {ended_on} дейін, бұл күн кірмейді.",
    },
    "port_freed": {
        "en": "The service is switched off on the network; port {port} is free.",
        "ru": "Услуга отключена в сети; порт {port} свободен.",
        "kk": "Қызмет желіде өшірілді; {port} порты бос.",
    },
    "balance_left": {
        "en": "{advance} of the subscriber's money is left: accounting refunds it, moves it or keeps it.",
        "ru": "На балансе абонента осталось {advance}: бухгалтерия вернёт, перенесёт или оставит их.",
        "kk": "Абоненттің балансында {advance} қалды: бухгалтерия қайтарады, ауыстырады не қалдырады.",
    },
    "disconnection_closed": {
        "en": "The disconnection is complete. The subscriber is told by SMS.",
        "ru": "Отключение завершено. Абоненту отправлено SMS.",
        "kk": "Ажырату аяқталды. Абонентке SMS жіберілді.",
    },
    "debt_remains": {
        "en": "{outstanding} is still owed, due {due_on}: it is collected like any invoice.",
        "ru": "Остаётся долг {outstanding}, срок оплаты {due_on}: взыскивается как любой счёт.",
        "kk": "{outstanding} берешек қалды, төлеу мерзімі {due_on}: кез келген шот сияқты өндіріледі.",
    },
    "cancelled_too_late": {
        "en": "Too late to be cancelled: the equipment was dismantled, or the service ended, just before. It goes on.",
        "ru": "Отменять поздно: оборудование уже демонтировано или услуга прекращена. Процесс продолжается.",
        "kk": "Тоқтатуға кеш: жабдық бөлшектеліп қойған немесе қызмет тоқтатылған. Үдеріс жалғасады.",
    },
    "final_billing_taken_back": {
        "en": "Undone: the final billing is taken back, the service is charged on.",
        "ru": "Возвращено: заключительный расчёт отменён, начисление продолжается.",
        "kk": "Қайтарылды: қорытынды есептің күші жойылды, есептеу жалғасады.",
    },
    "write_off_taken_back": {
        "en": "Undone: {amount} that was written off is owed again.",
        "ru": "Возвращено: списание {amount} отменено.",
        "kk": "Қайтарылды: {amount} есептен шығарудың күші жойылды.",
    },
    "service_resumed": {
        "en": "The debt is paid: the service is on again from {resumed_on}.",
        "ru": "Долг оплачен: услуга снова включена с {resumed_on}.",
        "kk": "Берешек төленді: қызмет {resumed_on} бастап қайта қосылды.",
    },
    "advance_stays": {
        "en": "{advance} of the subscriber's money stays on their balance for the next invoices.",
        "ru": "На балансе абонента остаётся {advance} в счёт следующих счетов.",
        "kk": "Абоненттің балансында келесі шоттарға {advance} қалады.",
    },
    "disconnection_cancelled": {
        "en": "The disconnection is cancelled: the service stays. The subscriber is told by SMS.",
        "ru": "Отключение отменено: услуга остаётся. Абоненту отправлено SMS.",
        "kk": "Ажырату тоқтатылды: қызмет қалады. Абонентке SMS жіберілді.",
    },
    "balance_moved": {
        "en": "{who} moved {amount} to account {account_no} of the subscriber.",
        "ru": "{who}: {amount} перенесено на лицевой счёт {account_no} абонента.",
        "kk": "{who}: {amount} абоненттің {account_no} дербес шотына ауыстырылды.",
    },
}  # fmt: skip
