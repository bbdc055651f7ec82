"""How long Blender's window ever waits while a step of 200 samples is computed, against the same window idle.

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
    parser.add_argument("--rounds", type=int, default=3, help="idle and step are measured in turn so often; default: 3")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        try:
            desktop = open_desktop(Path(home))
        except NoWindowError as why:
            raise SystemExit(f"measure_pauses: {why}") from why
        seen = desktop.walk(ROOT / "tests" / "desktop" / "measure_pauses.py", str(arguments.rounds))
    if seen["error"]:
        raise SystemExit(seen["error"])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; milliseconds between beats of a 10 ms timer")
    print(f"{'':12}{'beats':>8}{'median':>8}{'99 %':>8}{'worst':>8}{'seconds':>9}")
    for number in range(arguments.rounds):
        for what in ("idle", "step"):
            pauses = seen[what][number]
            hundredths = statistics.quantiles(pauses, n=100, method="inclusive")
            print(f"{what} {number + 1:<7}{len(pauses):8}{statistics.median(pauses):8.1f}{hundredths[-1]:8.1f}{max(pauses):8.1f}{sum(pauses) / 1000:9.1f}")


if __name__ == "__main__":
    main()
