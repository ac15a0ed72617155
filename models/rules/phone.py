"""Phone numbers in E.164; a mobile number of Kazakhstan is what an SMS can reach here."""

import re

import phonenumbers

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def normalised_phone(text: str) -> str:
    """A mobile number of Kazakhstan as E.164, from any usual way to write it.

    `8 701 …` and `+7 701 …` are the same number. Russian numbers share the country code and are refused.

    Raises:
        ValueError: it is no such number.
    """
    try:
        number = phonenumbers.parse(text, "KZ")
    except phonenumbers.NumberParseException:
        raise ValueError("this is not a phone number: write it like +7 701 123 45 67") from None
    if not phonenumbers.is_valid_number_for_region(number, "KZ"):
        raise ValueError("this is not a phone number of Kazakhstan")
    if phonenumbers.number_type(number) not in {
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    }:
        raise ValueError("SMS reach mobile numbers only: ask the subscriber for one")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def any_phone(text: str) -> str:
    """The number of somebody who may be anywhere: as `normalised_phone`, or any number that is written in E.164.

    Raises:
        ValueError: it is neither.
    """
    try:
        return normalised_phone(text)
    except ValueError:
        if _E164.fullmatch(text):
            return text
        raise
