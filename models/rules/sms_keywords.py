"""The words by which somebody who gets SMS stops them, or wants them again."""

from enum import StrEnum


class Keyword(StrEnum):
    """What an incoming SMS of a single word asks for."""

    STOP = "stop"
    START = "start"


# The provider itself blocks a number at the English words, so they are remembered alike.
_WORDS = {
    Keyword.STOP: {
        "stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout",
        "стоп", "отписаться", "тоқта", "токта", "тоқтату",
    },
    Keyword.START: {"start", "unstop", "yes", "старт", "баста", "бастау"},
}  # fmt: skip
_KEYWORD_OF_WORD = {word: keyword for keyword, words in _WORDS.items() for word in words}
_AROUND = " \t\r\n.,!?;:\"'«»“”()-"


def keyword_of(body: str) -> Keyword | None:
    """The keyword, in any case and with punctuation around it; None where the text says more than that."""
    return _KEYWORD_OF_WORD.get(body.strip(_AROUND).casefold())
