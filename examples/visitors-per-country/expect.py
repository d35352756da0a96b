#!/usr/bin/env python3
"""Writes expected.json: what query.sql must give, computed without windows, watermarks or streams."""

import json
from datetime import datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
WINDOW = timedelta(minutes=5)


def main():
    groups = {}
    youngest = datetime.min
    for line in (FOLDER / "access-log.json").read_text().splitlines():
        visit = json.loads(line)
        time = datetime.fromisoformat(visit["event_time"])
        youngest = max(youngest, time)
        assert youngest - time < timedelta(seconds=30), f"late: {line}"
        start = datetime.min + (time - datetime.min) // WINDOW * WINDOW
        groups.setdefault((start, visit["country"]), []).append(visit["status"])
    rows = [
        {
            "window_start": start.isoformat(sep=" ", timespec="milliseconds"),
            "window_end": (start + WINDOW).isoformat(sep=" ", timespec="milliseconds"),
            "country": country,
            "visits": len(statuses),
            "worst_status": max(statuses),
        }
        for (start, country), statuses in groups.items()
    ]
    lines = sorted(json.dumps(row, separators=(",", ":")) for row in rows)
    (FOLDER / "expected.json").write_text("".join(line + "\n" for line in lines))


main()
