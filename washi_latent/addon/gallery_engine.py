"""Pictures for the gallery, at the size in which they are drawn. No Blender here, and nothing heavy at import.

A model that makes any size lays its fibres out anew at every size: the same paper, another sheet. So a candidate enlarged or
tiled is exactly the texture that was compared and that a pick walks to; a larger sheet shows the paper in the large, at its
own pixels, and is called a sheet, never an enlargement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from . import engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..core.progress import Progress

    Bytes = NDArray[np.uint8]

LARGEST = 768
"""Pixels an edge of the largest sheet that is drawn while the artist points: more would make them wait."""


@dataclass(frozen=True)
class Paper:
    """What the gallery says of a model's pictures.

    Attributes:
        size: width of its pictures in pixels; None: any.
        multiple: that an edge of any size must be of.
        millimetres_per_pixel: scale. tileable: whether pictures join without seams.
    """

    size: int | None
    multiple: int
    millimetres_per_pixel: float
    tileable: bool

    def width(self, edge: int) -> float:
        """Millimetres across of a picture that was made for this edge."""
        return (self.size or edge) * self.millimetres_per_pixel

    def sheet_edge(self, wanted: int) -> int | None:
        """Edge of a sheet, at most the wanted one; None where the model makes one size only."""
        edge = min(wanted, LARGEST) // self.multiple * self.multiple
        return edge if self.size is None and edge > 0 else None


@lru_cache(8)
def paper(folder: str) -> Paper:
    """Read it from a model's description."""
    from ..core.models import read_info

    info = read_info(folder)
    return Paper(info.size[1] if info.size else None, info.size_multiple, info.millimetres_per_pixel, info.tileable)


def enlarged(pixels: Bytes, edge: int) -> Bytes:
    """A picture (H, W, 4) as an opaque square of this edge, by a cubic filter."""
    import numpy as np

    from ..core.images import resize

    result = np.full((edge, edge, 4), 255, np.uint8)
    result[..., :3] = np.round(resize(pixels[..., :3] / np.float32(255), edge, edge) * 255)
    return result


def tiled(pixels: Bytes, edge: int) -> Bytes:
    """A picture (H, W, 4) two by two, this edge in all, or one pixel less."""
    import numpy as np

    return np.tile(enlarged(pixels, max(1, edge // 2)), (2, 2, 1))


def sheet(packed: str, folder: str, threads: int, latent: bytes, edge: int | None) -> Callable[[Progress], Bytes]:
    """Work that draws a sheet (H, W, 4) of a packed latent, rows from the bottom up; an edge of None is the model's own."""

    def work(progress: Progress) -> Bytes:
        import numpy as np

        from ..core.light import lit

        loaded = engine.model(folder, threads)
        images = loaded.generate(np.frombuffer(latent, "<f8"), edge, engine.noise_seed(packed), progress)
        result = np.full((*images.shape[1:3], 4), 255, np.uint8)
        result[..., :3] = np.round(lit(images, loaded.info)[0, ::-1] * 255)
        return result

    return work
