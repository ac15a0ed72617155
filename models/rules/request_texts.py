"""What is said by SMS about requests, by the name of the template: see `models.rules.sms_texts`."""

from typing import Final

from models.contracts.people import Language

REQUEST_TEXTS: Final[dict[str, dict[Language, str]]] = {
    "request_received": {
        Language.RU: "Ваше обращение принято, мы ответим по SMS.",
        Language.KK: "Өтінішіңіз қабылданды, SMS арқылы жауап береміз.",
        Language.EN: "We have received your request and will answer by SMS.",
    },
    "request_outage": {
        Language.RU: "По вашему адресу сейчас нет связи, мы уже устраняем причину. Ожидаем восстановления {until}. "
        "Сообщим, когда всё заработает.",
        Language.KK: "Сіздің мекенжайыңызда қазір байланыс жоқ, себебін жойып жатырмыз. {until} қалпына келеді деп "
        "күтеміз. Іске қосылғанда хабарлаймыз.",
        Language.EN: "There is no service at your address now, and we are working on it. We expect it back {until}. We "
        "will tell you when it is.",
    },
    "request_outage_overrun": {
        Language.RU: "По вашему адресу сейчас нет связи, мы уже устраняем причину. Это занимает больше времени, чем "
        "ожидалось. Сообщим, когда всё заработает.",
        Language.KK: "Сіздің мекенжайыңызда қазір байланыс жоқ, себебін жойып жатырмыз. Бұл күткеннен ұзаққа созылуда. "
        "Іске қосылғанда хабарлаймыз.",
        Language.EN: "There is no service at your address now, and we are working on it. It takes longer than "
        "expected. We will tell you when it is back.",
    },
    "request_restored": {
        Language.RU: "Связь по вашему адресу восстановлена. Если что-то ещё не работает, ответьте на это SMS.",
        Language.KK: "Мекенжайыңыздағы байланыс қалпына келді. Әлі де жұмыс істемейтін нәрсе болса, осы SMS-ке жауап "
        "беріңіз.",
        Language.EN: "The service at your address is back. If anything still does not work, answer this SMS.",
    },
    "request_question": {
        Language.RU: "По вашему обращению: {text} Ответьте, пожалуйста, на это SMS.",
        Language.KK: "Өтінішіңіз бойынша: {text} Осы SMS-ке жауап беруіңізді сұраймыз.",
        Language.EN: "About your request: {text} Please answer this SMS.",
    },
    "request_solved": {
        Language.RU: "Ваше обращение решено: {text} Если это не так, ответьте на это SMS.",
        Language.KK: "Өтінішіңіз шешілді: {text} Олай болмаса, осы SMS-ке жауап беріңіз.",
        Language.EN: "Your request is solved: {text} If it is not, answer this SMS.",
    },
    "request_declined": {
        Language.RU: "Ответ на ваше обращение: {text}",
        Language.KK: "Өтінішіңізге жауап: {text}",
        Language.EN: "The answer to your request: {text}",
    },
    "request_cancelled": {
        Language.RU: "Ваше обращение закрыто без выполнения. Если был назначен визит, он не состоится.",
        Language.KK: "Өтінішіңіз орындалмай жабылды. Белгіленген келу болса, ол болмайды.",
        Language.EN: "Your request was closed without being carried out. If a visit was planned, it will not take "
        "place.",
    },
    "request_warned": {
        Language.RU: "Истекает срок обращения «{category}», процесс {process}. Пожалуйста, займитесь им.",
        Language.KK: "«{category}» өтінішінің мерзімі аяқталып келеді, процесс: {process}. Назар аударуыңызды "
        "сұраймыз.",
        Language.EN: "Little time is left for the request {category}, process {process}. Please see to it.",
    },
    "request_breached": {
        Language.RU: "Нарушен срок обращения «{category}», процесс {process}. Пожалуйста, займитесь им.",
        Language.KK: "«{category}» өтінішінің мерзімі өтті, процесс: {process}. Назар аударуыңызды сұраймыз.",
        Language.EN: "The request {category} is late, process {process}. Please see to it.",
    },
}
"""The facts `category` are titles of the policy; `text` is what a member of staff wrote to the subscriber."""
