"""What happens to money that accounting has to look at, in sentences: see `models.rules.sentences`."""

ACCOUNTING_EVENTS: dict[str, dict[str, str]] = {
    "asked_unknown_payee": {
        "en": "{who} reported a payment of {amount}, receipt {receipt_no}; nobody is known for whom it is.",
        "ru": "{who}: поступила оплата {amount}, квитанция {receipt_no}; получатель не установлен.",
        "kk": "{who}: {amount} төлем түсті, түбіртек {receipt_no}; алушысы анықталмады.",
    },
    "asked_payment_conflict": {
        "en": "{who} reported the transaction of receipt {receipt_no} again with another meaning: {amount} was taken, "
        "{reported} is what it says now.",
        "ru": "{who}: операция с квитанцией {receipt_no} сообщена повторно с другим содержанием: принято {amount}, "
        "теперь указано {reported}.",
        "kk": "{who}: {receipt_no} түбіртегінің операциясы басқа мазмұнмен қайта хабарланды: {amount} қабылданған, "
        "енді {reported} көрсетілген.",
    },
    "payee_found": {
        "en": "{who} gave the payment to account {account_no}.",
        "ru": "{who}: оплата отнесена на лицевой счёт {account_no}.",
        "kk": "{who}: төлем {account_no} дербес шотына жатқызылды.",
    },
    "payment_returned": {
        "en": "{who} returns the payment to the bank: {reason}.",
        "ru": "{who}: оплата возвращается банку — {reason}.",
        "kk": "{who}: төлем банкке қайтарылады — {reason}.",
    },
    "first_report_kept": {
        "en": "{who}: what was taken first is right.{note}",
        "ru": "{who}: верно то, что принято первым.{note}",
        "kk": "{who}: бірінші қабылданғаны дұрыс.{note}",
    },
    "payment_corrected": {
        "en": "{who} corrected the payment: {amount}, receipt {receipt_no}, stands in its place ({reason}).",
        "ru": "{who}: оплата исправлена, вместо неё {amount}, квитанция {receipt_no} ({reason}).",
        "kk": "{who}: төлем түзетілді, оның орнына {amount}, түбіртек {receipt_no} ({reason}).",
    },
    "agreed_with_bank": {
        "en": "{who} agreed it with the bank: {agreement}.",
        "ru": "{who}: согласовано с банком — {agreement}.",
        "kk": "{who}: банкпен келісілді — {agreement}.",
    },
    "clarification_closed": {
        "en": "The question is answered.",
        "ru": "Вопрос решён.",
        "kk": "Мәселе шешілді.",
    },
    "clarification_settled_elsewhere": {
        "en": "The payment was given to an account or taken back meanwhile: nothing is left to ask.",
        "ru": "Оплата тем временем отнесена на счёт или отозвана: вопрос снят.",
        "kk": "Төлем осы уақытта шотқа жатқызылды немесе қайтарып алынды: мәселе жойылды.",
    },
    "clarification_abandoned": {
        "en": "{who} ended the question without an answer. The money stays where it is, on accounting's list.",
        "ru": "{who}: вопрос закрыт без ответа. Деньги остаются на месте, в списке бухгалтерии.",
        "kk": "{who}: мәселе жауапсыз жабылды. Ақша орнында, бухгалтерия тізімінде қалады.",
    },
}
