"""The networks that a model bundle can name, in PyTorch.

Imported late only: for `backend="torch"`, and by training. They live beside the engine, not in training/, because the
extension ships the engine alone and a user's own PyTorch must be able to run any bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import sheet_network
from .errors import WashiError


class DCGANGenerator(nn.Module):
    """The generator of DCGAN (Radford, Metz and Chintala 2015): latent (N, Z) -> picture (N, C, 64, 64) in [0, 1].

    A projection to 4x4 and four transposed convolutions of kernel 4 and stride 2, batch normalization and ReLU between.

    In place of tanh the last layer makes colours in the data's own axes: paper's colours span most of [0, 1] while its
    structure spans a tenth of that, so what is finer than `SMOOTH` pixels is scaled down by `detail`, and `color_mix` and
    `color_mean` (saved with the weights) lead from decorrelated colours to red, green and blue.

    With `recipe`, the projection sees the latent together with what a trained flow makes of it, the numbers that describe
    a paper: a mapping network, as StyleGAN's (Karras 2019), that keeps kinds of paper apart.

    Args:
        latent_dim: Z, 100 in the paper.
        features: channels before the last layer (ngf); 8 times as many at 4x4.
        channels: C.
        detail: contrast of fine structure against that of colours, in (0, 1].
        recipe: numbers of a flow's papers; 0: the latent alone, as in the paper.
        steps: of the flow.
    """

    SMOOTH = 9

    color_mean: Tensor
    color_mix: Tensor

    def __init__(self, latent_dim: int = 100, features: int = 64, channels: int = 3, detail: float = 1.0, recipe: int = 0, steps: int = 10) -> None:
        super().__init__()
        self.flow = sheet_network.PaperFlow(latent_dim, recipe, steps) if recipe else None
        widths = [features * 8, features * 4, features * 2, features]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim + recipe, widths[0], 4, bias=False)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1)]
        self.layers = nn.Sequential(*layers)
        self.detail = detail
        self.register_buffer("color_mean", torch.full((channels,), 0.5))
        self.register_buffer("color_mix", torch.eye(channels) * 0.5)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, Z) -> (N, C, 64, 64) in [0, 1]."""
        return self.to_picture(self.decorrelated(latents)).clamp(0, 1)

    def decorrelated(self, latents: Tensor) -> Tensor:
        """(N, Z) -> (N, C, 64, 64) along the data's colour axes, mean about 0 and variance about 1: what training sees."""
        known = latents if self.flow is None else torch.cat([latents, self.flow.recipe(latents)], 1)
        raw = self.layers(known[:, :, None, None])
        smooth = local_mean(raw, self.SMOOTH)
        return smooth + (raw - smooth) * self.detail

    def to_picture(self, decorrelated: Tensor) -> Tensor:
        """Colour axes to red, green and blue, not clipped."""
        return F.conv2d(decorrelated, self.color_mix[:, :, None, None], self.color_mean)

    def from_picture(self, picture: Tensor) -> Tensor:
        """The inverse of `to_picture`."""
        inverse = torch.linalg.inv(self.color_mix)
        return F.conv2d(picture - self.color_mean[:, None, None], inverse[:, :, None, None])


def local_mean(pictures: Tensor, edge: int) -> Tensor:
    """The mean over the square of `edge` pixels around each pixel, cut at the border; (N, C, H, W) both."""
    rows = F.avg_pool2d(pictures, (edge, 1), 1, (edge // 2, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, edge), 1, (0, edge // 2), count_include_pad=False)


def _dcgan(options: dict[str, Any]) -> nn.Module:
    numbers = {name: int(options[name]) for name in ("latent_dim", "features", "channels", "recipe", "steps") if name in options}
    return DCGANGenerator(detail=float(options.get("detail", 1.0)), **numbers)


_BUILDERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {"dcgan": _dcgan, "sheet": sheet_network.build}


def build_generator(architecture: str, options: dict[str, Any]) -> nn.Module:
    """The untrained generator that a bundle's `architecture` and `options` name, in evaluation mode.

    Raises:
        WashiError: an architecture that this version doesn't know.
    """
    if architecture not in _BUILDERS:
        raise WashiError(f"this version knows no network named {architecture!r}: update Washi Latent, or choose a model of {', '.join(_BUILDERS)}")
    return _BUILDERS[architecture](options).eval()


def meta() -> torch.device:
    """Within it, networks are built without memory: their shapes alone."""
    return torch.device("meta")


def use_threads(threads: int | None) -> None:
    """Let PyTorch use this many threads (None: as it likes)."""
    if threads:
        torch.set_num_threads(threads)
