"""What the rows of the tables are made of: bytes that a client sends, and what has to come of them.

Behind the bytes of every row comes one message more, ``PROBE``. Where the WebSocket stays open it has to arrive:
frames are read to the byte. Where it does not, it must not.
"""

from collections.abc import Iterable
from typing import NamedTuple

from support.websocket import CLOSE, PONG, Closed, Failed, Frame, Told, text

from litmus.protocols.websocket.deflate import DeflateSettings, Parameters
from litmus.protocols.websocket.limits import WebSocketLimits

PROBE = "probe"

DEFAULT_LIMITS = WebSocketLimits()

PROTOCOL_ERROR, INVALID_PAYLOAD, TOO_BIG = 1002, 1007, 1009


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        rfc: the section that asks for this.
        told: what the application's side is told.
        answers: what is sent in return; of a Close frame that tells of a breach only the code.
        needs: how many of the bytes it takes to find a breach; None: not looked at.
        offer: the parameters that compression was agreed on with; None: there is none.
    """

    name: str
    rfc: str
    sent: bytes
    told: tuple[Told, ...]
    answers: tuple[Frame, ...]
    needs: int | None = None
    limits: WebSocketLimits = DEFAULT_LIMITS
    offer: Parameters | None = None

    @property
    def ends(self) -> bool:
        return isinstance((self.told or ("",))[-1], Closed | Failed)

    @property
    def data(self) -> bytes:
        return self.sent + text(PROBE)

    @property
    def expected(self) -> tuple[Told, ...]:
        return self.told if self.ends else (*self.told, PROBE)

    def on(self, **changes: object) -> "Row":
        """The same with other limits, or with compression."""
        return self._replace(**changes)  # type: ignore[arg-type]


SETTINGS = DeflateSettings(server_bits=15, client_bits=15, memory_level=8)


def taken(name: str, rfc: str, sent: bytes, *told: Told, answers: Iterable[Frame] = ()) -> Row:
    """The WebSocket stays open."""
    return Row(name, rfc, sent, told, tuple(answers))


def ended(name: str, rfc: str, sent: bytes, *told: Told, code: int | None = None, reason: str = "") -> Row:
    """The peer's Close frame, which is answered with its code."""
    payload = b"" if code is None else code.to_bytes(2, "big")
    return Row(name, rfc, sent, (*told, Closed(1005 if code is None else code, reason)), (Frame(CLOSE, payload),))


def failed(name: str, rfc: str, sent: bytes, *told: Told, code: int = PROTOCOL_ERROR, needs: int | None = None) -> Row:
    """A breach."""
    answer = Frame(CLOSE, code.to_bytes(2, "big"))
    return Row(name, rfc, sent, (*told, Failed(code)), (answer,), len(sent) if needs is None else needs)


def pong(payload: bytes = b"") -> Frame:
    return Frame(PONG, payload)


def by_name(rows: Iterable[Row]) -> dict[str, Row]:
    """The rows by their names, of which there are no two alike."""
    table: dict[str, Row] = {}
    for row in rows:
        assert row.name not in table, row.name
        table[row.name] = row
    return table
