"""Each dialect's own words for whatever goes wrong, wherever it went wrong.

Endpoints of a dialect fail as everybody does, and the layers around them (limits, routing, handlers of failures)
know no dialect. So what leaves as a problem under a dialect's prefix is said again in that dialect, at the very edge:
the layers within still see a 401 or a 503, and count and log it as one.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dialects import Refused, dialects
from api.problems import MEDIA_TYPE, Problem


class Faces:
    """ASGI middleware, the outermost one: turns problems into what the dialect under whose prefix they are says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._refused: Mapping[str, Refused] = {
            dialect.router.prefix: dialect.refused for dialect in dialects() if dialect.refused is not None
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, and say again what comes back if it is a problem."""
        refused = self._of(scope["path"]) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body: list[bytes] = []

        async def say(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    answer = refused(Request(scope), Problem.model_validate_json(b"".join(body)))
                    answer.raw_headers += _kept(start, answer.status_code)
                    await answer(scope, receive, send)

        await self._app(scope, receive, say)

    def _of(self, path: str) -> Refused | None:
        for prefix, refused in self._refused.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return refused
        return None


def _is_problem(start: Message) -> bool:
    return any(name.lower() == b"content-type" and value == MEDIA_TYPE.encode() for name, value in start["headers"])


def _kept(start: Message, status: int) -> list[tuple[bytes, bytes]]:
    """Headers of the problem that hold for the answer in its place too."""
    kept = {b"cache-control"}
    if start["status"] == status:
        kept |= {b"www-authenticate", b"allow", b"retry-after"}
    return [(name, value) for name, value in start["headers"] if name.lower() in kept]
