"""IIN, phone numbers, account numbers, names: what identifies people, and what is shown of them."""

import phonenumbers
import pytest
from airlock_pii.validators import is_valid_iin
from hypothesis import given
from hypothesis import strategies as st

from models.rules.account_no import account_no, is_account_no
from models.rules.iin import check_digit, checked_iin
from models.rules.names import masked_name
from models.rules.phone import normalised_phone

digits = st.text("0123456789", min_size=12, max_size=12)
eleven = st.text("0123456789", min_size=11, max_size=11)


def accepted(text: str) -> bool:
    try:
        checked_iin(text)
    except ValueError:
        return False
    return True


@given(digits)
def test_an_iin_is_accepted_exactly_when_another_implementation_accepts_it(text: str) -> None:
    assert accepted(text) == is_valid_iin(text)


@given(eleven)
def test_each_number_has_one_check_digit_or_is_never_issued(first: str) -> None:
    valid = [last for last in range(10) if accepted(f"{first}{last}")]
    digit = check_digit(first)
    assert valid == ([] if digit is None else [digit])


def test_the_second_weights_decide_where_the_first_give_ten() -> None:
    by_second = [f"{number:011d}" for number in range(2000) if sum(
        int(digit) * weight for weight, digit in enumerate(f"{number:011d}", start=1)) % 11 == 10]  # fmt: skip
    assert by_second
    for first in by_second:
        digit = check_digit(first)
        assert digit is None or is_valid_iin(f"{first}{digit}")


@pytest.mark.parametrize("text", ["880101300014", " 880101300014 ", "009913990001"])
def test_a_date_that_never_was_is_no_reason_to_refuse_an_iin(text: str) -> None:
    assert accepted(text) == is_valid_iin(text.strip())


@pytest.mark.parametrize("text", ["", "88010130001", "8801013000145", "88010130001x", "٨٨٠١٠١٣٠٠٠١٤", "880101300015"])
def test_what_is_no_iin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="IIN"):
        checked_iin(text)


@pytest.mark.parametrize(
    "text", ["+77011234567", "87011234567", "8 (701) 123-45-67", "7701 123 45 67", "+7 701 123 45 67"]
)
def test_a_mobile_number_is_the_same_however_it_is_written(text: str) -> None:
    assert normalised_phone(text) == "+77011234567"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("+79161234567", "Kazakhstan"),
        ("+14155552671", "Kazakhstan"),
        ("87272501234", "mobile"),
        ("call me", "not a phone number"),
        ("+7701", "Kazakhstan"),
    ],
)
def test_a_number_that_no_sms_of_ours_reaches_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        normalised_phone(text)


@given(st.integers(0, 9_999_999).map(lambda number: f"+7701{number:07d}"))
def test_a_normalised_number_stays_as_it_is_and_is_kazakhstani(text: str) -> None:
    assert normalised_phone(text) == text
    assert phonenumbers.region_code_for_number(phonenumbers.parse(text)) == "KZ"


@given(st.integers(0, 10**10))
def test_an_account_number_carries_its_check_digit(sequence: int) -> None:
    number = account_no(sequence)
    assert is_account_no(number)
    assert int(number[:-1]) == sequence
    assert len(number) >= 7


@given(st.integers(100_001, 9_999_999), st.data())
def test_one_wrong_digit_of_an_account_number_is_noticed(sequence: int, data: st.DataObject) -> None:
    number = account_no(sequence)
    place = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    assert not is_account_no(number[:place] + wrong + number[place + 1 :])


@given(st.integers(100_001, 9_999_999), st.data())
def test_two_swapped_digits_of_an_account_number_are_noticed(sequence: int, data: st.DataObject) -> None:
    number = account_no(sequence)
    place = data.draw(st.integers(0, len(number) - 2))
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert swapped == number or not is_account_no(swapped)


@pytest.mark.parametrize("text", ["", "12a4", "１２３４５６７"])
def test_what_is_no_number_is_no_account_number(text: str) -> None:
    assert not is_account_no(text)


@pytest.mark.parametrize(
    ("full_name", "shown"),
    [
        ("Сейткали Арман Болатович", "С*** Арман Б."),
        ("Сейткали Арман", "С*** Арман"),
        ("Madonna", "M***"),
        ("Ли Анна Мария Петровна", "Л*** Анна М. П."),
    ],
)
def test_a_payer_recognises_a_name_and_a_stranger_learns_little(full_name: str, shown: str) -> None:
    assert masked_name(full_name) == shown
