"""wsproto as the other end of a ``Line``, and in our place."""

from support.websocket import Closed, Failed, Ponged, Told
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from litmus.protocols.websocket.deflate import Agreement, Parameters


class Peer:
    """wsproto, and what it is told, as a ``Line`` would be.

    Args:
        kind: the end that it is.
        extension: compression, as it was agreed on.

    Attributes:
        told: what it was told, with messages put together.
    """

    def __init__(self, kind: ConnectionType, extension: PerMessageDeflate | None = None) -> None:
        self.connection = Connection(kind, [] if extension is None else [extension])
        self.told: list[Told] = []
        self._parts: list[str | bytes] = []

    def send(self, *events: Event) -> bytes:
        return b"".join(map(self.connection.send, events))

    def feed(self, data: bytes) -> "Peer":
        self.connection.receive_data(data)
        for event in self.connection.events():
            if isinstance(event, Message):
                self._parts.append(event.data)
                if event.message_finished:
                    empty = "" if isinstance(event, TextMessage) else b""
                    self.told.append(empty.join(self._parts))  # type: ignore[arg-type]
                    self._parts.clear()
            elif isinstance(event, Pong):
                self.told.append(Ponged(bytes(event.payload)))
            elif isinstance(event, CloseConnection):
                broken = self.connection.state is ConnectionState.OPEN  # else it is the peer's
                code = int(event.code)
                self.told.append(Failed(code) if broken else Closed(code, event.reason or ""))
        return self


def client(agreement: Agreement | None) -> Peer:
    """wsproto's client, which has been told what was agreed on."""
    if agreement is None:
        return Peer(ConnectionType.CLIENT)
    extension = PerMessageDeflate()
    extension.finalize(agreement.element())
    return Peer(ConnectionType.CLIENT, extension)


def server(offer: Parameters | None) -> Peer:
    """wsproto's server, which has agreed to an offer."""
    if offer is None:
        return Peer(ConnectionType.SERVER)
    extension = PerMessageDeflate(client_no_context_takeover=("client_no_context_takeover", None) in offer)
    extension.finalize("permessage-deflate")
    return Peer(ConnectionType.SERVER, extension)
