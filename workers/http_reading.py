"""How an API process reads HTTP: by httptools, a parser in C, and what that does not know by h11, as the letter has it.

httptools costs a third of what h11 does, but hangs up on methods that somebody made up, where the API says what to do
instead, and gathers a head without end. So a connection on which anything but a usual request begins is h11's from then
on, and a head has h11's limit.
"""

from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of everything in a request that is not its body."""
_USUAL: Final = (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ", b"OPTIONS ")


class HttpReading(HttpToolsProtocol):
    """One connection: `uvicorn.Config(app, http=HttpReading)`."""

    _is_between = True
    """Whether what comes next begins a request."""
    _head_bytes = 0
    """Of the request under way, those that came after its first packet."""

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._is_between and self._is_answered and not data.startswith(_USUAL):
            self._hand_over(data)
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_between = False
        self._head_bytes = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A part of the body is there, whose size is the app's affair."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._is_between = True
        super().on_message_complete()

    @property
    def _is_answered(self) -> bool:
        return getattr(self.cycle, "response_complete", True)

    def _hand_over(self, data: bytes) -> None:
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        careful = H11Protocol(self.config, self.server_state, self.app_state, self.loop)
        careful.connection_made(self.transport)
        self.transport.set_protocol(careful)
        careful.data_received(data)
