"""Texts that people and other systems send in."""

from typing import Any

from pydantic import BaseModel, model_validator


class Storable(BaseModel):
    """Holds nothing that PostgreSQL can't keep.

    JSON may carry NUL; a step of a process that stumbles over it while writing would be repeated for ever.
    """

    @model_validator(mode="before")
    @classmethod
    def _has_no_nul(cls, value: Any) -> Any:
        if _has_nul(value):
            raise ValueError("remove the character NUL from the texts")
        return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
