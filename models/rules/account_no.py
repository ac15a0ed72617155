"""Account numbers: a sequence number and a Damm check digit.

The Damm algorithm notices every single wrong digit and every swap of two neighbours, which are nearly all the
mistakes of people who type a number into a payment terminal.
"""

from stdnum import damm


def account_no(sequence: int) -> str:
    """The account number for a number of the sequence: at least seven digits, the last one checks."""
    digits = f"{sequence:06d}"
    return f"{digits}{damm.calc_check_digit(digits)}"


def is_account_no(text: str) -> bool:
    """Whether the check digit is right."""
    return text.isascii() and text.isdigit() and bool(damm.is_valid(text))
