"""Writes the files beside it, which tests read: `pip install fastavro cramjam backports.zstd && python write_with_fastavro.py`."""

import datetime as dt
import decimal
import uuid

import fastavro

UTC = dt.timezone.utc
SCHEMA = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "doc": "an order",
    "fields": [
        {"name": "unread", "type": {"type": "map", "values": ["null", "long", {"type": "array", "items": "string"}]}},
        {"name": "id", "type": "long"},
        {"name": "customer", "type": ["null", "string"], "default": None},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "tax", "type": {"type": "fixed", "name": "Tax", "size": 6, "logicalType": "decimal", "precision": 10, "scale": 3}},
        {"name": "placed", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "shown", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "token", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 2}},
        {"name": "weight", "type": "float"},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [{"name": "item", "type": "string"}, {"name": "count", "type": "int"}],
                },
            },
        },
        {"name": "parent", "type": ["null", "Order"], "default": None},
        {"name": "labels", "type": {"type": "map", "values": "string"}},
    ],
}


def order(number, parent=None):
    return {
        "unread": {"a": None, "b": 7, "c": ["x", "y"]},
        "id": number,
        "customer": None if number % 2 else f"c{number}",
        "state": "PAID" if number % 2 else "NEW",
        "total": decimal.Decimal(-12345 + number).scaleb(-2),
        "tax": decimal.Decimal(1000 * number + 1).scaleb(-3),
        "placed": dt.datetime(2024, 2, 29, 10, 15, 30, 123456, tzinfo=UTC),
        "shown": dt.datetime(2024, 2, 29, 11, 15, 30, 123000),
        "day": dt.date(2024, 2, 29),
        "at": dt.time(10, 15, 30, 123000),
        "token": uuid.UUID("01234567-89ab-cdef-0123-456789abcdef"),
        "digest": b"\x00\xff",
        "weight": 0.5,
        "lines": [{"item": f"i{n}", "count": n} for n in range(number % 3)],
        "parent": parent,
        "labels": {"k": "v"},
    }


orders = [order(n, order(100 + n) if n == 2 else None) for n in range(6)]
for codec in ["null", "deflate", "snappy", "zstandard"]:
    with open(f"fastavro_{codec}.avro", "wb") as file:
        fastavro.writer(file, SCHEMA, orders, codec=codec, sync_interval=200, sync_marker=bytes(range(16)))
