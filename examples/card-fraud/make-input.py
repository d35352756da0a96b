#!/usr/bin/env python3
"""Writes payments.json: an hour of forty cards, most of them honest, up to 4 seconds out of order.

Amounts are quarters, so that their sums are exact in whatever order they are added.
"""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

MAX_DELAY_S = 4
START = datetime(2024, 6, 1, 9, 0, 0)
SHOPS = ["bakery", "cinema", "jeweller", "kiosk", "phones", "travel"]


def main():
    chance = random.Random(7)
    lines = []
    for number in range(40):
        card = f"card-{number:02}"
        is_stolen = number % 5 == 0
        second = chance.uniform(0, 120)
        while second < 3600:
            kind = chance.random()
            small_share = 0.75 if is_stolen else 0.3
            if kind < small_share:
                amount = chance.randrange(1, 40) / 4
            elif kind < 0.9:
                amount = chance.randrange(40, 1200) / 4
            else:
                amount = chance.randrange(2000, 8000) / 4
            payment = {
                "card": card,
                "payment_time": (START + timedelta(seconds=second)).isoformat(sep=" ", timespec="milliseconds"),
                "amount": amount,
                "shop": chance.choice(SHOPS),
            }
            arrival = second + chance.uniform(0, MAX_DELAY_S)
            lines.append((arrival, json.dumps(payment, separators=(",", ":"))))
            second += chance.uniform(20, 160)
    text = "".join(line + "\n" for _, line in sorted(lines))
    Path(__file__).with_name("payments.json").write_text(text)


main()
