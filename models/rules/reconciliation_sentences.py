"""What happens in a bank's day, in sentences: see `models.rules.sentences`."""

RECONCILIATION_EVENTS: dict[str, dict[str, str]] = {
    "bank_day_opened": {
        "en": "{who} opened the reconciliation with {bank} for {day_on}.",
        "ru": "{who}: открыта сверка с {bank} за {day_on}.",
        "kk": "{who}: {bank} банкімен {day_on} күнгі салыстыру ашылды.",
    },
    "bank_day_opened_again": {
        "en": "{who} opened the reconciliation with {bank} for {day_on} again.",
        "ru": "{who}: сверка с {bank} за {day_on} открыта повторно.",
        "kk": "{who}: {bank} банкімен {day_on} күнгі салыстыру қайта ашылды.",
    },
    "registry_taken": {
        "en": "{who} sent the registry, version {version}: {lines} lines of {total}.",
        "ru": "{who}: получен реестр, версия {version}: строк {lines} на {total}.",
        "kk": "{who}: тізілім түсті, {version}-нұсқа: {total} сомасына {lines} жол.",
    },
    "registry_doubtful": {
        "en": "{who} sent a registry that does not agree with itself, version {version}: {problems} problems, {lines} "
        "lines of {total} can be read. Nothing is taken from it until accounting decides.",
        "ru": "{who}: получен реестр, который не сходится, версия {version}: замечаний {problems}, читаются строки: "
        "{lines} на {total}. До решения бухгалтерии из него ничего не берётся.",
        "kk": "{who}: өзімен сәйкес келмейтін тізілім түсті, {version}-нұсқа: ескерту {problems}, оқылатын жол: "
        "{total} сомасына {lines}. Бухгалтерия шешкенше одан ештеңе алынбайды.",
    },
    "registry_brought": {
        "en": "{who}: the registry is here.",
        "ru": "{who}: реестр получен.",
        "kk": "{who}: тізілім алынды.",
    },
    "nothing_was_paid": {
        "en": "{who}: the bank says that nothing was paid on this day ({reason}).",
        "ru": "{who}: по данным банка платежей за день не было ({reason}).",
        "kk": "{who}: банктің мәліметі бойынша бұл күні төлем болған жоқ ({reason}).",
    },
    "registry_accepted": {
        "en": "{who} takes what can be read of the registry, version {version}: {reason}.",
        "ru": "{who}: реестр, версия {version}, принят в прочитанной части — {reason}.",
        "kk": "{who}: тізілімнің {version}-нұсқасының оқылған бөлігі қабылданды — {reason}.",
    },
    "registry_refused": {
        "en": "{who} takes nothing from the registry, version {version}: {reason}.",
        "ru": "{who}: реестр, версия {version}, отклонён — {reason}.",
        "kk": "{who}: тізілімнің {version}-нұсқасы қабылданбады — {reason}.",
    },
    "missing_payment_posted": {
        "en": "{who} posted transaction {txn_id} as the registry has it: {registry}.",
        "ru": "{who}: проведена операция {txn_id} по реестру на {registry}.",
        "kk": "{who}: {txn_id} операциясы тізілім бойынша {registry} сомасына жүргізілді.",
    },
    "extra_payment_reversed": {
        "en": "{who} took transaction {txn_id} back: {standing}.",
        "ru": "{who}: сторнирована операция {txn_id} на {standing}.",
        "kk": "{who}: {standing} сомасындағы {txn_id} операциясы сторноланды.",
    },
    "payment_corrected": {
        "en": "{who} corrected transaction {txn_id}: {standing} in the books, {registry} in the registry.",
        "ru": "{who}: исправлена операция {txn_id}: в учёте {standing}, в реестре {registry}.",
        "kk": "{who}: {txn_id} операциясы түзетілді: есепте {standing}, тізілімде {registry}.",
    },
    "payment_date_accepted": {
        "en": "{who}: transaction {txn_id} counts for this day.",
        "ru": "{who}: операция {txn_id} отнесена к этому дню.",
        "kk": "{who}: {txn_id} операциясы осы күнге жатқызылды.",
    },
    "difference_left": {
        "en": "{who} leaves the difference of transaction {txn_id}: {reason}.",
        "ru": "{who}: расхождение по операции {txn_id} оставлено — {reason}.",
        "kk": "{who}: {txn_id} операциясының айырмашылығы қалдырылды — {reason}.",
    },
    "differences_carried_out": {
        "en": "{who} has what is proposed carried out for {count} differences.",
        "ru": "{who}: предложенные действия приняты по расхождениям: {count}.",
        "kk": "{who}: {count} айырмашылық бойынша ұсынылған әрекеттер қабылданды.",
    },
    "differences_left": {
        "en": "{who} leaves {count} differences: {reason}.",
        "ru": "{who}: оставлено расхождений: {count} — {reason}.",
        "kk": "{who}: {count} айырмашылық қалдырылды — {reason}.",
    },
    "bank_day_settled": {
        "en": "{who}: a transfer of {amount} of {received_on} settles the day ({days} in it): {net} came in, the fee "
        "is {fee}.",
        "ru": "{who}: перечисление {amount} от {received_on} закрывает день (дней в нём: {days}): поступило {net}, "
        "комиссия {fee}.",
        "kk": "{who}: {received_on} күнгі {amount} аударымы күнді жабады (ондағы күн саны: {days}): {net} түсті, "
        "комиссия {fee}.",
    },
    "bank_day_left": {
        "en": "{who} waits no longer for the bank's transfer, the money stays in transit: {reason}.",
        "ru": "{who}: перечисление банка больше не ожидается, деньги остаются в пути — {reason}.",
        "kk": "{who}: банк аударымы енді күтілмейді, ақша жолда қалады — {reason}.",
    },
    "bank_day_closed": {
        "en": "The day is closed: {lines} lines of {gross} in the registry, {posted} in the books; {net} came in, the "
        "fee is {fee}, {in_transit} stays in transit.",
        "ru": "День закрыт: в реестре строк {lines} на {gross}, в учёте {posted}; поступило {net}, комиссия {fee}, "
        "в пути остаётся {in_transit}.",
        "kk": "Күн жабылды: тізілімде {gross} сомасына {lines} жол, есепте {posted}; {net} түсті, комиссия {fee}, "
        "жолда {in_transit} қалды.",
    },
    "bank_day_lost": {
        "en": "The process was ended in the Temporal UI. What is posted stays posted; the day can be opened again.",
        "ru": "Процесс завершён в Temporal UI. Проведённое остаётся; день можно открыть повторно.",
        "kk": "Үдеріс Temporal UI арқылы аяқталды. Жүргізілгені қалады; күнді қайта ашуға болады.",
    },
    "bank_day_cancelled": {
        "en": "{who} ended the reconciliation of the day ({reason}). What is posted stays posted; open differences "
        "stay listed, and the money stays in transit.",
        "ru": "{who}: сверка за день прекращена ({reason}). Проведённое остаётся; расхождения остаются в списке, "
        "деньги — в пути.",
        "kk": "{who}: күндік салыстыру тоқтатылды ({reason}). Жүргізілгені қалады; айырмашылықтар тізімде, ақша "
        "жолда қалады.",
    },
}
