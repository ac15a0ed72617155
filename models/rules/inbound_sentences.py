"""What happened with SMS from outside, as sentences."""

INBOUND_EVENTS: dict[str, dict[str, str]] = {
    "sms_flood": {
        "en": "More SMS came from this number than are taken within the time: they are counted, neither taken nor "
        "answered",
        "ru": "С этого номера пришло больше SMS, чем принимается за это время: они считаются, но не принимаются и "
        "остаются без ответа",
        "kk": "Бұл нөмірден осы уақытта қабылданатыннан көп SMS келді: олар саналады, бірақ қабылданбайды және "
        "жауапсыз қалады",
    },
    "sms_thanks": {
        "en": "The subscriber sent an SMS of thanks or agreement",
        "ru": "Абонент прислал SMS с благодарностью или согласием",
        "kk": "Абонент алғыс немесе келісім білдірген SMS жіберді",
    },
}
