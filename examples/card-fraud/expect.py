#!/usr/bin/env python3
"""Writes expected.json: what query.sql must give, found by looking at each card's payments in a list."""

import json
from datetime import datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
WITHIN = timedelta(minutes=10)


def match(payments, start):
    """The end of the match that begins there, if one does."""
    end = start
    while end < len(payments) and payments[end]["amount"] < 10:
        end += 1
    if end - start < 2 or end == len(payments):
        return None
    large, last_small = payments[end], payments[end - 1]
    in_time = large["time"] - payments[start]["time"] < WITHIN
    return end if large["amount"] >= 500 and large["shop"] != last_small["shop"] and in_time else None


def main():
    cards = {}
    for line in (FOLDER / "payments.json").read_text().splitlines():
        payment = json.loads(line)
        payment["time"] = datetime.fromisoformat(payment["payment_time"])
        cards.setdefault(payment["card"], []).append(payment)
    rows = []
    for card, payments in cards.items():
        payments.sort(key=lambda payment: payment["time"])
        start = 0
        while start < len(payments):
            end = match(payments, start)
            if end is None:
                start += 1
                continue
            small, large = payments[start:end], payments[end]
            rows.append(
                {
                    "card": card,
                    "first_try": small[0]["payment_time"],
                    "tries": len(small),
                    "tried": sum(payment["amount"] for payment in small),
                    "charged": large["amount"],
                    "shop": large["shop"],
                    "charged_at": large["payment_time"],
                }
            )
            start = end + 1
    lines = sorted(json.dumps(row, separators=(",", ":")) for row in rows)
    (FOLDER / "expected.json").write_text("".join(line + "\n" for line in lines))


main()
