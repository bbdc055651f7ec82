"""Seeds and counts of threads, of one range everywhere: what one command takes, another takes too."""

from __future__ import annotations

from .errors import WashiError

MAX_SEED = 2**63 - 1
"""The largest number that TOML and PyTorch surely take."""

MAX_THREADS = 1024


def check_seed(seed: int, name: str = "seed") -> int:
    """A seed as it may be.

    Raises:
        WashiError: it is below 0 or above `MAX_SEED`.
    """
    if not 0 <= seed <= MAX_SEED:
        raise WashiError(f"the {name} is {_said(seed, 'of more than 20 digits')}: choose 0 to {MAX_SEED}")
    return seed


def check_threads(threads: int | None) -> int | None:
    """How many threads, as it may be; None: the caller's usual.

    Raises:
        WashiError: it is below 1 or above `MAX_THREADS`.
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise WashiError(f"{_said(threads, 'far too many')} threads were asked for: choose 1 to {MAX_THREADS}")
    return threads


def _said(number: int, otherwise: str) -> str:
    return str(number) if abs(number) < 10**20 else otherwise
