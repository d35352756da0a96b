#!/usr/bin/env python3
"""Writes expected.json: what query.sql must give, computed without windows, watermarks or streams."""

import json
from datetime import datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
WINDOW = timedelta(seconds=10)


def main():
    groups = {}
    youngest = datetime.min
    for line in (FOLDER / "readings.json").read_text().splitlines():
        reading = json.loads(line)
        time = datetime.fromisoformat(reading["reading_time"])
        youngest = max(youngest, time)
        assert youngest - time < timedelta(seconds=2), f"late: {line}"
        start = datetime.min + (time - datetime.min) // WINDOW * WINDOW
        values = groups.setdefault((reading["sensor"], start), [])
        if reading["temperature"] is not None:
            values.append(reading["temperature"])
    rows = [
        {
            "sensor": sensor,
            "window_start": start.isoformat(sep=" ", timespec="milliseconds"),
            "window_end": (start + WINDOW).isoformat(sep=" ", timespec="milliseconds"),
            "average": sum(values) / len(values) if values else None,
            "readings": len(values),
        }
        for (sensor, start), values in groups.items()
    ]
    lines = sorted(json.dumps(row, separators=(",", ":")) for row in rows)
    (FOLDER / "expected.json").write_text("".join(line + "\n" for line in lines))


main()
