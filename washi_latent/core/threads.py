"""How many threads to use."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores that this process may use: a farm's or a container's allowance where there is one, else the machine's."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no such thing
        return os.cpu_count() or 1
