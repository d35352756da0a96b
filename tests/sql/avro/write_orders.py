"""Writes orders.avro, in two blocks or more: `pip install fastavro && python write_orders.py`."""

import datetime as dt
import decimal

import fastavro

SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "note", "type": ["null", "string"]},
        {"name": "id", "type": "int"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "buyer", "type": {"type": "record", "name": "Buyer", "fields": [
            {"name": "name", "type": "string"},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
        ]}},
    ],
}
orders = [
    {
        "note": None if n % 2 else f"note {n}",
        "id": n,
        "price": decimal.Decimal(n * 1050).scaleb(-2),
        "at": dt.datetime(2024, 1, 1, 10, 0, n),
        "buyer": {"name": f"b{n % 3}", "tags": ["x"] * (n % 3)},
    }
    for n in range(12)
]
with open("orders.avro", "wb") as file:
    fastavro.writer(file, SCHEMA, orders, codec="deflate", sync_interval=100, sync_marker=bytes(range(16)))
