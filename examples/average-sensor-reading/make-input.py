#!/usr/bin/env python3
"""Writes readings.json: five minutes of five sensors, about a reading a second each, some empty, out of order.

Temperatures are quarters of a degree, so that their sums are exact in whatever order they are added.
"""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

MAX_DELAY_S = 1.9
START = datetime(2024, 5, 1, 12, 0, 0)
SENSORS = ["attic", "cellar", "garden", "kitchen", "roof"]


def main():
    chance = random.Random(42)
    lines = []
    for number, sensor in enumerate(SENSORS):
        second = chance.random()
        temperature = 40 + 20 * number
        while second < 300:
            temperature += chance.randrange(-2, 3)
            reading = {
                "sensor": sensor,
                "reading_time": (START + timedelta(seconds=second)).isoformat(sep=" ", timespec="milliseconds"),
                "temperature": None if chance.random() < 0.02 else temperature / 4,
            }
            arrival = second + chance.uniform(0, MAX_DELAY_S)
            lines.append((arrival, json.dumps(reading, separators=(",", ":"))))
            second += chance.uniform(0.6, 1.4)
    text = "".join(line + "\n" for _, line in sorted(lines))
    Path(__file__).with_name("readings.json").write_text(text)


main()
