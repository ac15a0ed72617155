"""Request headers that several routes understand."""

from typing import Annotated

from fastapi import Header, Query

from models.contracts.people import Language

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=200,
        description="Repeat a request with the same key and body, and it is done once",
    ),
]  # fmt: skip

AskedLanguage = Annotated[
    Language | None, Query(alias="lang", description="Language of the sentences; the caller's own by default")
]
