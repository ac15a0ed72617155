"""IIN, the individual identification number of Kazakhstan (12 digits).

Source: order №521 of 29.06.2023. The date and sex in its first digits are a convention only since 2013, so a number
is never refused for them; the check digit alone decides. An error in the 11th digit mostly stays invisible: a
valid number is no proof of identity.
"""

_FIRST_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_LENGTH = 12
_NO_SUCH_DIGIT = 10


def check_digit(first_eleven: str) -> int | None:
    """The 12th digit for the first eleven, or None where no such number is issued."""
    digits = [int(character) for character in first_eleven]
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        remainder = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
        if remainder != _NO_SUCH_DIGIT:
            return remainder
    return None


def checked_iin(text: str) -> str:
    """The IIN without surrounding space.

    Raises:
        ValueError: it is not twelve digits, or its check digit is wrong.
    """
    number = text.strip()
    if len(number) != _LENGTH or not number.isascii() or not number.isdigit():
        raise ValueError("an IIN has twelve digits")
    if check_digit(number[:11]) != int(number[11]):
        raise ValueError("the check digit of this IIN is wrong: compare it with the document")
    return number


def is_iin(text: str) -> bool:
    """Whether a text is an IIN that may be issued."""
    try:
        checked_iin(text)
    except ValueError:
        return False
    return True
