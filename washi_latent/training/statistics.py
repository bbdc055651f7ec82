"""What sheets look like on the whole, differentiable: what a composed sheet must share with one that the simulation laid itself.

A layout of drawn fields is not the simulation's own layout: its clouds, lines and loose fibres have other statistics, and a loss
on pairs of a layout and the sheet made of it can't tell. For a recipe, the mean of these statistics over layouts is to be
the simulation's (as texture synthesis matches statistics: Portilla and Simoncelli 2000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..core.fields import MILLIMETRES_PER_PIXEL
from ..core.light import LIGHT, STRENGTH
from ..core.maps import RELIEF_MM

EDGE = 130
"""Edge of a crop: one pixel around what is compared, for the relief's slope."""
_INSIDE, _MARGIN = EDGE - 2, 12
_OPPONENT = ((0.299, 0.587, 0.114), (0.5, -0.5, 0.0), (0.25, 0.25, -0.5))
_RINGS, _BANDS, _SCALES, _DIRECTIONS = 9, 3, (0.06, 0.11, 0.19, 0.33), 4
_FLOOR = 1e-7


class Statistics(nn.Module):
    """Statistics of crops of sheets as a scanner shows them, of their relief and of their opacity.

    Moments of colour, log power by radius of all three, how far the power prefers directions, and of a bank of log-Gabor filters the energy,
    its split over directions, how sparse it is, and how it varies over the crop.
    """

    rings: Tensor
    bands: Tensor
    harmonics: Tensor
    bank: Tensor
    window: Tensor
    opponent: Tensor

    def __init__(self) -> None:
        super().__init__()
        size = _INSIDE
        y, x = torch.meshgrid(torch.fft.fftfreq(size), torch.fft.rfftfreq(size), indexing="ij")
        radius, angle = torch.hypot(x, y), torch.atan2(y, x)
        twice = torch.where((x > 0) & (x < 0.5), 2.0, 1.0)  # the half plane that a real picture's spectrum leaves out
        rings = [twice * mask for mask in _rings(radius, 1.5 / size, _RINGS)]
        bands = [twice * mask for mask in _rings(radius, 3 / size, _BANDS)]
        self.register_buffer("rings", torch.stack(rings).flatten(1))
        self.register_buffer("harmonics", torch.stack([band * turn(n * angle) for band in bands for n in (2, 4) for turn in (torch.cos, torch.sin)]).flatten(1))
        self.register_buffer("bands", torch.stack(bands).flatten(1))
        self.register_buffer("window", torch.outer(torch.hann_window(size), torch.hann_window(size)))
        y, x = torch.meshgrid(torch.fft.fftfreq(size), torch.fft.fftfreq(size), indexing="ij")
        radius, angle = torch.hypot(x, y).clamp_min(1e-6), torch.atan2(y, x)
        filters = []
        for frequency in _SCALES:
            for i in range(_DIRECTIONS):
                turned = torch.remainder(angle - math.pi * i / _DIRECTIONS + math.pi, 2 * math.pi) - math.pi
                filters.append(torch.exp(-((torch.log(radius / frequency) / 0.55) ** 2) / 2 - (turned / 0.4) ** 2 / 2))
        self.register_buffer("bank", torch.stack(filters))
        self.register_buffer("opponent", torch.tensor(_OPPONENT))

    def forward(self, sheets: Tensor) -> Tensor:
        """(N, 5, EDGE, EDGE) -> (N, S)."""
        pictures, height, opacity = self._scanned(sheets), sheets[:, 3, 1:-1, 1:-1], sheets[:, 4, 1:-1, 1:-1]
        light = pictures[:, 0]
        planes = torch.stack([light, height, opacity], 1)
        return torch.cat([self._moments(pictures, height, opacity), self._spectrum(planes), self._filters(light)], 1)

    def _scanned(self, sheets: Tensor) -> Tensor:
        """As `core.light.scanned` shows them, in opponent colours: (N, 3, H, W)."""
        height = sheets[:, 3]
        down, across = (height[:, 2:, 1:-1] - height[:, :-2, 1:-1]) / 2, (height[:, 1:-1, 2:] - height[:, 1:-1, :-2]) / 2
        facing = (down * math.sin(LIGHT) - across * math.cos(LIGHT)) * (RELIEF_MM / MILLIMETRES_PER_PIXEL)
        shading = (1 + torch.tanh(STRENGTH * facing * 1.6) * 0.5).pow(1 / 2.4)
        seen = ((sheets[:, :3, 1:-1, 1:-1] + 0.055) * shading[:, None] - 0.055).clamp(0, 1)
        return torch.einsum("oc,nchw->nohw", self.opponent, seen)

    def _moments(self, pictures: Tensor, height: Tensor, opacity: Tensor) -> Tensor:
        planes = torch.cat([pictures, height[:, None], opacity[:, None]], 1)
        mean = planes.mean((2, 3))
        centered = planes - mean[:, :, None, None]
        variance = centered.square().mean((2, 3)) + _FLOOR
        together = (centered[:, :1] * centered[:, 1:]).mean((2, 3)) / (variance[:, :1] * variance[:, 1:]).sqrt()
        lopsided = torch.asinh(centered.pow(3).mean((2, 3)) / variance.pow(1.5))
        return torch.cat([mean[:, (0, 1, 2, 4)], variance.log() / 2, lopsided, together], 1)

    def _spectrum(self, planes: Tensor) -> Tensor:
        centered = (planes - planes.mean((2, 3), keepdim=True)) * self.window
        power = torch.fft.rfft2(centered).abs().square().flatten(2) / (self.window.square().sum() * _INSIDE**2)
        radial = (power @ self.rings.T + _FLOOR / 10).log().flatten(1)
        seen = power[:, 0]
        waves = (seen @ self.harmonics.T).view(len(seen), _BANDS, 2, 2)
        preferred = (waves.square().sum(3) + 1e-20).sqrt() / ((seen @ self.bands.T)[:, :, None] + _FLOOR / 10)
        return torch.cat([radial, preferred.flatten(1)], 1)

    def _filters(self, light: Tensor) -> Tensor:
        centered = light - light.mean((1, 2), keepdim=True)
        answers = torch.fft.ifft2(torch.fft.fft2(centered)[:, None] * self.bank)[:, :, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        squared = (answers.real.square() + answers.imag.square()).unflatten(1, (len(_SCALES), _DIRECTIONS))
        energy = squared.mean((3, 4)) + _FLOOR / 100
        total = energy.mean(2)
        straight = (energy[:, :, 0] - energy[:, :, 2]).abs() / total
        diagonal = (energy[:, :, 1] - energy[:, :, 3]).abs() / total
        sparse = ((squared.square().mean((2, 3, 4)) + (_FLOOR / 100) ** 2) / total.square()).log()
        local = torch.nn.functional.avg_pool2d(squared.mean(2), 8) + _FLOOR / 100
        uneven = torch.log1p((local.var((2, 3)) + 1e-20).sqrt() / local.mean((2, 3)))
        return torch.cat([total.log(), straight, diagonal, sparse, uneven], 1)


def _rings(radius: Tensor, lowest: float, count: int) -> list[Tensor]:
    edges = torch.logspace(math.log10(lowest), math.log10(0.5), count + 1)
    return [((radius >= low) & (radius < high)).float() for low, high in zip(edges, edges[1:], strict=False)]
