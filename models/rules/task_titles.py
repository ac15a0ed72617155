"""What each staff task asks for."""

TASK_TITLES: dict[str, dict[str, str]] = {
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
    "refund": {
        "en": "Refund the subscriber's money or keep it as an advance",
        "ru": "Вернуть деньги абоненту или оставить авансом",
        "kk": "Абоненттің ақшасын қайтару немесе аванс ретінде қалдыру",
    },
}
