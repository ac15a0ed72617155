import string
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.people import Language
from models.rules.quiet_hours import is_quiet, next_allowed, quiet_begins
from models.rules.sms_failures import FailureClass, failure_class, listed_class, retry_at
from models.rules.sms_keywords import Keyword, keyword_of
from models.rules.sms_segments import is_gsm7, segment_count
from models.rules.sms_texts import Template, facts_of, sms_text

ALMATY = ZoneInfo("Asia/Almaty")
FACTS = {
    "sum": "125\u00a0500,00\u00a0₸",
    "outstanding": "125\u00a0500,00\u00a0₸",
    "account_no": "1000019",
    "due_on": "27.11.2026",
    "expires_on": "27.11.2026",
    "date": "27.11.2026",
    "from": "09:00",
    "to": "11:00",
    "month": "11.2026",
    "next": "−125\u00a0500,00\u00a0₸",
    "tariff": "Домашний 500 + ТВ",
    "task": "Назначить бригаду и время монтажа",
    "process": "019a1b2c-3d4e-7f50-8a9b-0c1d2e3f4a5b",
    "until": "27.11 13:00",
    "category": "Вопрос по начислениям",
    "text": "Порт перезапущен, скорость восстановлена.",
}

# 3GPP TS 23.038, 6.2.1: the code points of the default alphabet in the order of the table, without the escape (1B).
GSM_TABLE = (
    "0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5 "
    "0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E 00C6 00E6 00DF 00C9 "
    "0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F "
    "0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F "
    "00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F "
    "0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7 "
    "00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F "
    "0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0"
)
GSM_BASIC = {chr(int(code, 16)) for code in GSM_TABLE.split()}
GSM_EXTENSION = {chr(code) for code in (0x0C, 0x5E, 0x7B, 0x7D, 0x5C, 0x5B, 0x7E, 0x5D, 0x7C, 0x20AC)}


def test_gsm7_is_exactly_the_table_of_the_standard() -> None:
    assert len(GSM_BASIC) == 127
    seen = {chr(code) for code in range(0x10000) if is_gsm7(chr(code))}
    assert seen == GSM_BASIC | GSM_EXTENSION


@pytest.mark.parametrize("character", sorted(GSM_BASIC))
def test_160_characters_of_the_alphabet_are_one_segment_and_161_are_two(character: str) -> None:
    assert segment_count(character * 160) == 1
    assert segment_count(character * 161) == 2
    assert segment_count(character * 306) == 2
    assert segment_count(character * 307) == 3


@pytest.mark.parametrize("character", sorted(GSM_EXTENSION))
def test_a_character_of_the_extension_counts_two_and_is_never_torn(character: str) -> None:
    assert segment_count(character * 80) == 1
    assert segment_count(character * 81) == 2
    # 153 septets hold 76 of them, with one left over.
    assert segment_count(character * 152) == 2
    assert segment_count(character * 153) == 3


@pytest.mark.parametrize("character", ["ы", "ә", "Қ", "₸", "\u00a0"])
def test_one_other_character_makes_it_70_and_67(character: str) -> None:
    assert segment_count(character + "a" * 69) == 1
    assert segment_count(character + "a" * 70) == 2
    assert segment_count(character + "a" * 133) == 2
    assert segment_count(character + "a" * 134) == 3


def test_an_emoji_is_two_units_and_is_never_torn() -> None:
    assert segment_count("😀" * 35) == 1
    assert segment_count("😀" * 36) == 2
    assert segment_count("😀" * 66) == 2
    assert segment_count("😀" * 67) == 3


def test_an_empty_text_is_one_sms() -> None:
    assert segment_count("") == 1


@given(st.text(max_size=700), st.characters())
def test_a_longer_text_never_takes_fewer_segments(body: str, more: str) -> None:
    assert segment_count(body + more) >= segment_count(body)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("template", Template)
def test_every_template_exists_in_every_language_and_stays_within_three_segments(
    template: Template, language: Language
) -> None:
    text = sms_text(template, language, FACTS)
    assert segment_count(text) <= 3
    assert "{" not in text
    assert text == text.strip()
    for fact in facts_of(template):
        assert FACTS[fact] in text


@pytest.mark.parametrize("template", Template)
def test_a_template_takes_the_same_facts_in_all_languages_and_never_a_name(template: Template) -> None:
    assert facts_of(template, Language.RU) == facts_of(template, Language.KK) == facts_of(template, Language.EN)
    assert facts_of(template) <= FACTS.keys()


@pytest.mark.parametrize("template", Template)
def test_a_template_is_written_in_the_letters_of_its_language(template: Template) -> None:
    blank = dict.fromkeys(FACTS, "")
    english = sms_text(template, Language.EN, blank)
    assert is_gsm7(english)
    russian, kazakh = (set(sms_text(template, language, blank)) for language in (Language.RU, Language.KK))
    letters_of_kazakh_alone = set("ӘәҒғҚқҢңӨөҰұҮүҺһІі")
    assert not russian & letters_of_kazakh_alone
    assert kazakh & letters_of_kazakh_alone
    for text in (russian, kazakh):
        assert all(unicodedata.category(c) != "Ll" or "CYRILLIC" in unicodedata.name(c) for c in text)


def test_a_missing_fact_is_named() -> None:
    with pytest.raises(ValueError, match="due_on"):
        sms_text(Template.CONNECTION_INVOICE, Language.RU, {"sum": "1", "account_no": "2"})


def test_a_fact_with_braces_stays_as_it_is() -> None:
    text = sms_text(Template.CONNECTED, Language.EN, {"tariff": "{account_no}", "account_no": "7"})
    assert "tariff {account_no}" in text


def night(now: datetime, **changes: object) -> datetime:
    rules: dict[str, object] = {
        "zone": ALMATY,
        "quiet_from": time(21),
        "quiet_until": time(9),
        "weekdays_only": True,
        "holidays": holidays.country_holidays("KZ"),
    }
    return next_allowed(now, **(rules | changes))  # type: ignore[arg-type] # the rules are spelled out above


def almaty(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ALMATY)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-24T12:00:00", "2026-11-24T12:00:00"),
        ("2026-11-24T09:00:00", "2026-11-24T09:00:00"),
        ("2026-11-24T08:59:59", "2026-11-24T09:00:00"),
        ("2026-11-24T20:59:59", "2026-11-24T20:59:59"),
        ("2026-11-24T21:00:00", "2026-11-25T09:00:00"),
        ("2026-11-27T21:30:00", "2026-11-30T09:00:00"),  # Friday night waits for Monday
        ("2026-11-28T12:00:00", "2026-11-30T09:00:00"),  # Saturday
        ("2026-03-20T21:30:00", "2026-03-26T09:00:00"),  # Nauryz, three days of which two are made up for
        ("2026-12-31T22:00:00", "2027-01-05T09:00:00"),  # New Year, and the days made up for
        ("2026-12-15T22:00:00", "2026-12-17T09:00:00"),  # Independence Day
    ],
)
def test_a_notice_waits_for_a_working_day_of_kazakhstan_from_nine_to_nine(now: str, expected: str) -> None:
    assert night(almaty(now)) == almaty(expected)


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    lunch = almaty("2026-11-24T13:30:00")
    assert night(lunch, quiet_from=time(13), quiet_until=time(15)) == almaty("2026-11-24T15:00:00")
    assert night(lunch, quiet_from=time(9), quiet_until=time(9)) == lunch
    saturday = almaty("2026-11-28T12:00:00")
    assert night(saturday, weekdays_only=False) == saturday
    assert night(saturday, quiet_from=time(9), quiet_until=time(9)) == almaty("2026-11-30T00:00:00")


def test_a_calendar_without_an_open_day_is_an_error_not_a_loop() -> None:
    class Always:
        def __contains__(self, _: object) -> bool:
            return True

    with pytest.raises(ValueError, match="no day is open"):
        night(almaty("2026-11-24T12:00:00"), holidays=Always())


INSTANTS = st.datetimes(datetime(2024, 4, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone comes from `timezones`
MINUTES = st.integers(0, 1439).map(lambda minutes: time(minutes // 60, minutes % 60))
DAYS = st.frozensets(st.integers(-3, 12), max_size=8)


@given(INSTANTS, st.tuples(MINUTES, MINUTES), st.booleans(), DAYS, st.integers(0, 10**6))
def test_the_next_allowed_instant_is_allowed_and_no_earlier_one_is(
    now: datetime, quiet: tuple[time, time], weekdays_only: bool, closed: frozenset[int], where: int
) -> None:
    quiet_from, quiet_until = quiet
    days_off = {now.astimezone(ALMATY).date() + timedelta(days=day) for day in closed}

    def allowed(instant: datetime) -> bool:
        local = instant.astimezone(ALMATY)
        is_day_off = weekdays_only and (local.isoweekday() > 5 or local.date() in days_off)
        return not is_day_off and not is_quiet(local.time(), quiet_from, quiet_until)

    found = next_allowed(
        now, zone=ALMATY, quiet_from=quiet_from, quiet_until=quiet_until, weekdays_only=weekdays_only, holidays=days_off
    )
    assert found >= now
    assert allowed(found)
    assert (found == now) == allowed(now)
    assert next_allowed(
        found, zone=ALMATY, quiet_from=quiet_from, quiet_until=quiet_until, weekdays_only=weekdays_only,
        holidays=days_off,
    ) == found  # fmt: skip
    between = now + (found - now) * where / 10**6
    assert between == found or not allowed(between)


@given(
    INSTANTS, MINUTES, MINUTES, st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Almaty", "Asia/Kathmandu"])
)
def test_in_zones_with_summer_time_it_is_allowed_too(
    now: datetime, quiet_from: time, quiet_until: time, zone: str
) -> None:
    where = ZoneInfo(zone)
    found = next_allowed(
        now, zone=where, quiet_from=quiet_from, quiet_until=quiet_until, weekdays_only=True, holidays=()
    )
    local = found.astimezone(where)
    assert found >= now
    assert local.isoweekday() <= 5
    assert not is_quiet(local.time(), quiet_from, quiet_until)


def test_the_next_beginning_of_the_quiet_hours_is_today_or_tomorrow() -> None:
    for now, expected in {
        "2026-11-24T20:59:00": "2026-11-24T21:00:00",
        "2026-11-24T21:00:00": "2026-11-25T21:00:00",
        "2026-11-24T08:00:00": "2026-11-24T21:00:00",
    }.items():
        assert quiet_begins(almaty(now), zone=ALMATY, quiet_from=time(21)) == almaty(expected)


@pytest.mark.parametrize(
    ("failure", "codes"),
    [
        (FailureClass.THROTTLED, [20429]),
        (FailureClass.LATER, [21611]),
        (FailureClass.UNREACHABLE, [30001, 30003, 30008]),
        (FailureClass.NUMBER, [21211, 21610, 21614, 21635, 30005, 30006]),
        (FailureClass.CONFIGURATION, [20003, 21606, 21408, 21608, 21657, 30007]),
    ],
)
def test_every_code_has_the_class_of_the_reference(failure: FailureClass, codes: list[int]) -> None:
    for code in codes:
        assert failure_class(code) is failure
        assert listed_class(code) is failure
        assert failure_class(code, 500) is FailureClass.UNKNOWN


@pytest.mark.parametrize("http_status", [200, 302, 408, 500, 502, 503, 504])
def test_whatever_is_no_clear_refusal_is_unknown(http_status: int) -> None:
    assert failure_class(None, http_status) is FailureClass.UNKNOWN


def test_a_refusal_that_nobody_listed_is_for_the_operator_to_look_at() -> None:
    assert failure_class(21999) is FailureClass.CONFIGURATION
    assert failure_class(None, 403) is FailureClass.CONFIGURATION
    assert failure_class(None, 429) is FailureClass.THROTTLED
    assert listed_class(30999) is None
    assert listed_class(None) is None


NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)


@pytest.mark.parametrize("failure", FailureClass)
def test_every_class_is_tried_again_ever_later_and_not_for_ever(failure: FailureClass) -> None:
    times = [retry_at(failure, attempts, NOW) for attempts in range(1, 60)]
    kept = [at for at in times if at is not None]
    assert times == kept + [None] * (len(times) - len(kept))
    assert kept == sorted(kept)
    assert len(kept) < 20
    assert bool(kept) == (failure is not FailureClass.NUMBER)


@pytest.mark.parametrize(
    "text", ["STOP", "stop", " Стоп. ", "СТОП!", "тоқта", "ТОҚТА", "«Токта»", "Unsubscribe", "STOPALL"]
)
def test_stop_is_understood_in_three_languages(text: str) -> None:
    assert keyword_of(text) is Keyword.STOP


@pytest.mark.parametrize("text", ["START", "старт", "Баста!", "unstop"])
def test_start_is_understood_in_three_languages(text: str) -> None:
    assert keyword_of(text) is Keyword.START


@pytest.mark.parametrize(
    "text", ["", "Стоп машина", "please stop it", "Интернет не работает", "\x00", string.printable]
)
def test_any_other_text_is_no_keyword(text: str) -> None:
    assert keyword_of(text) is None


def test_the_holidays_of_kazakhstan_are_known() -> None:
    days_off = holidays.country_holidays("KZ")
    assert date(2026, 12, 16) in days_off
    assert date(2026, 11, 24) not in days_off
