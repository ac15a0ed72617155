"""What is said of outages by SMS: for each occasion one text in three languages, short enough to be read.

`from` and `until` are local times of a window. Why there is no service is not told beyond «works» and «a fault».
"""

from models.contracts.people import Language

OUTAGE_TEXTS: dict[str, dict[Language, str]] = {
    "outage_announced": {
        Language.RU: "Плановые работы: с {from} до {until} не будет связи. Приносим извинения.",
        Language.KK: "Жоспарлы жұмыстар: {from} – {until} аралығында байланыс болмайды. Кешірім сұраймыз.",
        Language.EN: "Planned works: no service from {from} until {until}. We are sorry.",
    },
    "outage_begun": {
        Language.RU: "Идут плановые работы, связи сейчас нет. Ожидаем, что она вернётся {until}. Приносим извинения.",
        Language.KK: "Жоспарлы жұмыстар жүріп жатыр, қазір байланыс жоқ. Қалпына келуі: {until}. Кешірім сұраймыз.",
        Language.EN: "Planned works are under way, there is no service now. We expect it back {until}. We are sorry.",
    },
    "outage_emergency": {
        Language.RU: "Авария на линии, связи сейчас нет. Ожидаем, что она вернётся {until}. Приносим извинения.",
        Language.KK: "Желіде апат болды, қазір байланыс жоқ. Қалпына келуі: {until}. Кешірім сұраймыз.",
        Language.EN: "A fault on the line: there is no service now. We expect it back {until}. We are sorry.",
    },
    "outage_moved": {
        Language.RU: "Время перерыва изменилось: связи не будет с {from} до {until}. Приносим извинения.",
        Language.KK: "Үзіліс уақыты өзгерді: {from} – {until} аралығында байланыс болмайды. Кешірім сұраймыз.",
        Language.EN: "The time has changed: no service from {from} until {until}. We are sorry.",
    },
    "outage_new_end": {
        Language.RU: "Связи пока нет. Новый срок: ожидаем, что она вернётся {until}. Приносим извинения.",
        Language.KK: "Байланыс әзірге жоқ. Жаңа мерзім: {until} қалпына келеді деп күтеміз. Кешірім сұраймыз.",
        Language.EN: "There is still no service. We now expect it back {until}. We are sorry.",
    },
    "outage_overrun": {
        Language.RU: "Восстановление связи занимает больше времени, чем ожидалось. Сообщим, когда она вернётся.",
        Language.KK: "Байланысты қалпына келтіру күткеннен ұзаққа созылуда. Қалпына келгенде хабарлаймыз.",
        Language.EN: "It takes longer than expected to bring your service back. We will tell you when it is.",
    },
    "outage_called_off": {
        Language.RU: "Перерыв связи с {from} до {until} отменён.",
        Language.KK: "{from} – {until} аралығындағы байланыс үзілісі болмайды.",
        Language.EN: "The outage from {from} until {until} is off.",
    },
    "outage_restored": {
        Language.RU: "Связь восстановлена. Спасибо за терпение!",
        Language.KK: "Байланыс қалпына келді. Шыдамдылығыңызға рақмет!",
        Language.EN: "Your service is back. Thank you for your patience!",
    },
}
