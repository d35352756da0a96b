#!/usr/bin/env python3
"""Writes access-log.json: an hour of visits, each line up to 30 seconds later than its time says."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

VISITS = 1200
MAX_DELAY_S = 29.9
START = datetime(2024, 5, 1, 8, 0, 0)
COUNTRIES = {"DE": 9, "FR": 6, "JP": 5, "BR": 4, "IN": 8, "US": 12, "KE": 2, "NZ": 1}
PATHS = ["/", "/pricing", "/docs", "/docs/install", "/blog", "/search?q=\"weir\""]
STATUSES = {200: 90, 304: 6, 404: 3, 500: 1}


def choose(chance, weights):
    return chance.choices(list(weights), weights=list(weights.values()))[0]


def main():
    chance = random.Random(20240501)
    lines = []
    for _ in range(VISITS):
        second = chance.uniform(0, 3600)
        time = START + timedelta(seconds=second)
        visit = {
            "event_time": time.isoformat(sep=" ", timespec="milliseconds"),
            "ip": f"203.0.113.{chance.randrange(1, 255)}",
            "country": choose(chance, COUNTRIES),
            "path": chance.choice(PATHS),
            "status": choose(chance, STATUSES),
        }
        lines.append((second + chance.uniform(0, MAX_DELAY_S), json.dumps(visit, separators=(",", ":"))))
    text = "".join(line + "\n" for _, line in sorted(lines))
    Path(__file__).with_name("access-log.json").write_text(text)


main()
