"""Seeds, of one range everywhere: what one command takes, another takes too."""

from __future__ import annotations

from .errors import WashiError

MAX_SEED = 2**63 - 1
"""The largest number that TOML and PyTorch surely take."""


def check_seed(seed: int, name: str = "seed") -> int:
    """A seed as it may be.

    Raises:
        WashiError: it is below 0 or above `MAX_SEED`.
    """
    if not 0 <= seed <= MAX_SEED:
        said = str(seed) if -MAX_SEED <= seed <= 10**20 else "beyond all measure"
        raise WashiError(f"the {name} is {said}: choose 0 to {MAX_SEED}")
    return seed
