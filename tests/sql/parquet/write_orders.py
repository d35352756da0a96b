"""Writes orders.parquet as Apache Arrow's C++ library does: pip install pyarrow && python tests/sql/parquet/write_orders.py."""

import decimal
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 30
START = datetime(2024, 5, 1, tzinfo=timezone.utc)

schema = pa.schema(
    [
        ("id", pa.int32()),
        # In UTC, though the table says TIMESTAMP; in ns, though it says ms.
        ("at", pa.timestamp("ns", tz="UTC")),
        ("price", pa.decimal128(8, 2)),
        ("buyer", pa.struct([("name", pa.string()), ("age", pa.uint8()), ("tags", pa.list_(pa.string()))])),
        ("stock", pa.map_(pa.string(), pa.int64())),
        # A dictionary, which is text to others.
        ("kind", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def row(n):
    return {
        "id": n,
        "at": START + timedelta(milliseconds=500 * n),
        "price": decimal.Decimal(n * 125) / 100,
        "buyer": None
        if n % 10 == 9
        else {"name": "ab"[n % 2], "age": n, "tags": ["x"] * (n % 3)},
        "stock": [("here", n), ("there", None)],
        "kind": "even" if n % 2 == 0 else "odd",
    }


table = pa.Table.from_pylist([row(n) for n in range(ROWS)], schema=schema)
pq.write_table(table, Path(__file__).with_name("orders.parquet"), row_group_size=10, compression="zstd")
