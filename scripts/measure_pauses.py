"""How long Blender's window ever waits while a step of 200 samples is computed, and what of it has which cause.

    python scripts/measure_pauses.py [--rounds 3]

Builds and installs the zip for the window's Blender (docs/extension.md), lets a 10 ms timer beat, and prints the pauses between beats.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    from tests.desktop.desktop import NoWindowError, open_desktop

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="all are measured in turn so often; default: 3")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        try:
            desktop = open_desktop(Path(home))
        except NoWindowError as why:
            raise SystemExit(f"measure_pauses: {why}") from why
        seen = desktop.walk(ROOT / "tests" / "desktop" / "measure_pauses.py", str(arguments.rounds))
    if seen["error"]:
        raise SystemExit(seen["error"])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; milliseconds between beats of a 10 ms timer; worst of them in which no region")
    print("of the viewport was drawn; longest stretch of the extension's own Python; how often the sidebar and the scene were drawn meanwhile")
    print(f"{'':36}{'median':>8}{'99 %':>8}{'worst':>8}{'over 50':>9}{'undrawn':>9}{'own':>8}{'sidebar':>9}{'scene':>7}{'seconds':>9}")
    for what, rounds in seen["measured"].items():
        for one in rounds:
            pauses = one["pauses"]
            hundredths = statistics.quantiles(pauses, n=100, method="inclusive")
            over = sum(pause > 50 for pause in pauses)
            print(
                f"{what:36}{statistics.median(pauses):8.1f}{hundredths[-1]:8.1f}{max(pauses):8.1f}{over:9}{max(one['quiet']):9.1f}{one['ours']:8.1f}"
                f"{one['sidebar']:9}{one['scene']:7}{sum(pauses) / 1000:9.1f}"
            )


if __name__ == "__main__":
    main()
