"""What an SMS from outside says, in three languages and the letters of any of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.inbound import readable
from models.contracts.people import Language
from models.rules.sms_keywords import Topic, comes_again, language_of, only_thanks, topic_of


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Нет интернета", Topic.NO_INTERNET),
        ("у нас второй день нет дома интернета!!!", Topic.NO_INTERNET),
        ("Интернет не работает", Topic.NO_INTERNET),
        ("не работает", Topic.NO_INTERNET),
        ("ИНТЕРНЕТ ПРОПАЛ", Topic.NO_INTERNET),
        ("Почему отключили интернет?", Topic.NO_INTERNET),
        ("Роутер не работает", Topic.NO_INTERNET),
        ("Интернет жоқ", Topic.NO_INTERNET),
        ("интернет жок", Topic.NO_INTERNET),
        ("Кешеден бері жұмыс істемейді", Topic.NO_INTERNET),
        ("No internet since morning", Topic.NO_INTERNET),
        ("My connection is down", Topic.NO_INTERNET),
        ("It doesn't work", Topic.NO_INTERNET),
        ("net interneta", Topic.NO_INTERNET),
        ("Очень медленный интернет", Topic.SLOW),
        ("всё тормозит", Topic.SLOW),
        ("интернет баяу", Topic.SLOW),
        ("Internet is slow", Topic.SLOW),
        ("Как оплатить счёт?", Topic.PAYMENT),
        ("Почему списали деньги", Topic.PAYMENT),
        ("не работает оплата", Topic.PAYMENT),
        ("Төлем түспеді", Topic.PAYMENT),
        ("why is my bill so high", Topic.PAYMENT),
        ("Хочу другой тариф", Topic.TARIFF),
        ("Тарифті ауыстырғым келеді", Topic.TARIFF),
        ("change my plan please", Topic.TARIFF),
        ("Хочу подключить интернет", Topic.CONNECT),
        ("Интернетке қосылғым келеді", Topic.CONNECT),
        ("Отключите меня от интернета", Topic.DISCONNECT),
        ("Расторгнуть договор", Topic.DISCONNECT),
        ("Қызметті ажыратыңыз", Topic.DISCONNECT),
        ("please disconnect my line", Topic.DISCONNECT),
        ("Нужен новый роутер", Topic.EQUIPMENT),
        ("Перезвоните мне", Topic.OTHER),
        ("1", Topic.OTHER),
        ("🤷", Topic.OTHER),
        ("", Topic.OTHER),
    ],
)
def test_a_text_is_about_what_its_words_say(text: str, topic: Topic) -> None:
    assert topic_of(text) is topic
    assert topic_of(f"  {text.upper()}\n") is topic


@pytest.mark.parametrize(
    "text", ["снова нет связи", "Опять!", "не помогло", "әлі жұмыс істемейді", "still down", "Not fixed"]
)
def test_a_text_may_say_that_it_comes_again(text: str) -> None:
    assert comes_again(text)


@pytest.mark.parametrize("text", ["Нет интернета", "Спасибо", "Сколько стоит", "баяу", "hello"])
def test_most_do_not(text: str) -> None:
    assert not comes_again(text)


@pytest.mark.parametrize("text", ["Спасибо!", "большое спасибо, всё работает", "Рахмет", "OK", "thanks", "да"])
def test_thanks_are_thanks(text: str) -> None:
    assert only_thanks(text)


@pytest.mark.parametrize("text", ["спасибо, но не работает", "", "ok?? when", "да нет"])
def test_thanks_with_something_else_are_more_than_that(text: str) -> None:
    assert not only_thanks(text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Нет интернета", Language.RU),
        ("Интернет жоқ", Language.KK),
        ("интернет жок", Language.KK),
        ("My internet is down", Language.EN),
        ("net interneta", Language.RU),
        ("123", Language.RU),
    ],
)
def test_somebody_unknown_is_answered_in_the_language_of_their_text(text: str, language: Language) -> None:
    assert language_of(text) is language


@given(st.text(max_size=1600))
def test_any_text_is_about_something_and_breaks_nothing(text: str) -> None:
    assert topic_of(text) in Topic
    assert language_of(text) in Language
    assert comes_again(text) in {True, False}
    kept = readable(text)
    assert "\0" not in kept
    assert kept == kept.strip()
    kept.encode()


def test_a_text_is_kept_without_what_nobody_can_read_and_no_longer_than_an_sms_can_be() -> None:
    assert readable("\x00 Нет\x00интернета \u202e\n") == "Нет интернета"
    assert readable("а" * 100_000) == "а" * 1600
    assert readable("\x00\ud800\u200b") == ""
