"""Write made-up tickets, one JSON object a line: `python -m scripts.tickets --items 6000 --seed 7 --out FILE`."""

import argparse
import json
from pathlib import Path

from scripts.tickets.generator import tickets


def main() -> None:
    """Write the tickets that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m scripts.tickets", description="Make-up support tickets.")
    parser.add_argument("--items", type=int, default=6_000, help="how many tickets (default 6000)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same tickets (default 7)")
    parser.add_argument("--new-fraud-share", type=float, default=0.0, help="share of a new kind of fraud, in Social")
    parser.add_argument("--first", type=int, default=1, help="number of the first ticket (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="the file to write (JSON lines)")
    given = parser.parse_args()
    made = tickets(given.items, given.seed, given.new_fraud_share, first=given.first)
    given.out.write_text("".join(json.dumps(ticket.row()) + "\n" for ticket in made), encoding="utf-8")
    print(f"{len(made):,} tickets in {given.out}")


if __name__ == "__main__":
    main()
