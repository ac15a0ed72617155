"""How many segments an SMS takes, which is what is paid for.

Source: 3GPP TS 23.038 (formerly GSM 03.38), section 6.2.1. A text of the default alphabet has 160 septets alone and 153
a segment; one other character anywhere, such as any Cyrillic letter or ₸, forces UCS-2 with 70 and 67 units of 16 bit.
"""

_DEFAULT_ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Each takes an escape septet besides its own."""

_GSM_ALONE, _GSM_PART = 160, 153
_UCS2_ALONE, _UCS2_PART = 70, 67
_LAST_OF_ONE_UNIT = 0xFFFF


def is_gsm7(body: str) -> bool:
    """Whether every character is in the default alphabet or its extension."""
    return all(character in _DEFAULT_ALPHABET or character in _EXTENSION for character in body)


def segment_count(body: str) -> int:
    """The number of segments; an empty text is still one SMS."""
    if is_gsm7(body):
        costs = [2 if character in _EXTENSION else 1 for character in body]
        return _packed(costs, _GSM_ALONE, _GSM_PART)
    costs = [2 if ord(character) > _LAST_OF_ONE_UNIT else 1 for character in body]
    return _packed(costs, _UCS2_ALONE, _UCS2_PART)


def _packed(costs: list[int], alone: int, part: int) -> int:
    """Segments filled in order: a character of two units is never torn between two segments."""
    if sum(costs) <= alone:
        return 1
    segments, used = 1, 0
    for cost in costs:
        if used + cost > part:
            segments, used = segments + 1, 0
        used += cost
    return segments
