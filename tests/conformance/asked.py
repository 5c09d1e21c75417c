"""What the applications of the conformance tests are asked."""

from typing import NamedTuple

Fields = tuple[tuple[bytes, bytes], ...]


class Asked(NamedTuple):
    """A whole request as the application gets it. ``fields`` are all its headers; None where they don't matter."""

    method: str = "GET"
    path: str = "/"
    body: bytes = b""
    query: bytes = b""
    fields: Fields | None = None

    def like(self, row: "Asked") -> "Asked":
        """This request, without what ``row`` does not say."""
        return self if row.fields is not None else self._replace(fields=None)
