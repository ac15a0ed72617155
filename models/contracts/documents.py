"""Documents, as they are spoken of outside."""

from enum import StrEnum


class DocumentKind(StrEnum):
    """What a document is."""

    CONTRACT = "contract"
    HANDOVER_ACT = "handover_act"
