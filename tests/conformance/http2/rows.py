"""All rows of the tables, each by its table's name and its own."""

from conformance.http2 import blocks, definitions, extensions, flow, framing, messages, starting, streams
from conformance.http2.table import by_name

ROWS = {
    f"{table.__name__.rpartition('.')[2]}: {name}": row
    for table in (starting, framing, blocks, streams, flow, definitions, messages, extensions)
    for name, row in by_name(table.TABLE).items()
}
