"""The connection to Temporal, alike for whoever starts, signals or runs workflows."""

from dataclasses import replace
from typing import Final, Self

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import SerializationContext
from temporalio.service import TLSConfig

from settings import Settings

_PARTS: Final = PydanticPayloadConverter().converters


class PayloadConverter(PydanticPayloadConverter):
    """Temporal makes several for each activation of a workflow; what its parts learned of our types is kept."""

    def __init__(self) -> None:
        self.converters = _PARTS

    def with_context(self, context: SerializationContext) -> Self:
        """Itself: nothing here looks at who is spoken to."""
        del context
        return self


DATA_CONVERTER: Final = replace(pydantic_data_converter, payload_converter_class=PayloadConverter)
"""How inputs and results stand in histories: as JSON, by pydantic."""


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the configured Temporal; a lazy one connects with its first call.

    Raises:
        RuntimeError: no Temporal is there (never when lazy).
    """
    assert settings.temporal_address is not None, "TEMPORAL_ADDRESS must be set: whoever starts a process sets it"
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=DATA_CONVERTER,
        tls=TLSConfig() if settings.temporal_tls else False,
        api_key=None if key is None else key.get_secret_value(),
        lazy=lazy,
    )
