"""All rows of the tables, each by its table's name and its own."""

from conformance.websocket import closing, compression, control, fragmentation, framing, limits, texts
from conformance.websocket.table import by_name

ROWS = {
    f"{table.__name__.rpartition('.')[2]}: {name}": row
    for table in (framing, control, fragmentation, texts, closing, limits, compression)
    for name, row in by_name(table.TABLE).items()
}
