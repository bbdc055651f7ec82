"""Training the sheet model: a seamless paper of any size, with relief and translucency.

The generator composes fields of fibres and marks (`core/fields.py`); its latent says which paper. It learns as the decoder of
a variational autoencoder (Kingma and Welling 2014) from pairs of a layout and the sheet that the simulation makes of it:
stable, fast, and no blur, for the layout already says where every fibre lies. The encoder sees the sheet alone and sums it up
over the whole crop, so that the latent holds the paper and not the place of its fibres.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.fields import FIELD_NAMES, draw_fields
from ..core.sheet_network import SheetGenerator
from .pairs import sheet_from_fields
from .washi import KINDS, Sheet, _Maker, draw_parameters, random_kind

CHANNELS = ("red", "green", "blue", "height", "opacity")
DETAIL_GAIN = (9.0, 9.0, 9.0, 8.0, 4.0)
LEVEL_GAIN = (1.0, 1.0, 1.0, 1.0, 1.0)
WEIGHT = 12000.0
LAYOUT = 256


def make_tile(seed: int = 7, size: int = 1024) -> NDArray[np.uint8]:
    """Draw the tile of fine long and short fibres that `draw_fields` takes pieces from: (2, size, size) uint8."""
    planes: list[NDArray[np.uint8]] = []
    for length, coarseness in ((9.0, 0.15), (4.0, 0.10)):
        rng = np.random.default_rng(seed)
        parameters = draw_parameters("kozo", rng)
        parameters.update(grammage=24.0, fibre_length=length, coarseness=coarseness, curl=0.15, alignment=0.3, cloud_contrast=0.0, axis=0.0)
        mass = _Maker(size, 0.1, parameters, rng).lay_fibres(24.0)
        relative = mass / mass.mean() - 1
        planes.append(np.clip(np.round(128 + 24 * relative / relative.std()), 0, 255).astype(np.uint8))
    return np.stack(planes)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Layouts and the sheets made of them.

    Attributes:
        layouts: (L, F, 256, 256) float16, periodic. sheets: (N, 256, 256, 5) float16. layout_of: (N,).
        kinds: (N,) names.
    """

    layouts: NDArray[np.float16]
    sheets: NDArray[np.float16]
    layout_of: NDArray[np.int64]
    kinds: tuple[str, ...]


def make_pairs(tile: NDArray[np.uint8], layouts: int = 48, sheets: int = 2400, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> Pairs:
    """Simulate `sheets` sheets on `layouts` layouts; a third of every kind in turn, the rest mixtures."""
    drawn = np.stack([draw_fields(LAYOUT, LAYOUT, seed * 1000 + i, tile) for i in range(layouts)])
    rng = np.random.default_rng(seed)
    result = np.empty((sheets, LAYOUT, LAYOUT, len(CHANNELS)), np.float16)
    kinds: list[str] = []
    for i in range(sheets):
        kind = KINDS[i // 3 % len(KINDS)] if i % 3 == 0 else random_kind(rng)
        result[i] = sheet_from_fields(drawn[i % layouts], draw_parameters(kind, rng))
        kinds.append(kind)
        if progress:
            progress(i + 1, sheets)
    return Pairs(drawn.astype(np.float16), result, np.arange(sheets) % layouts, tuple(kinds))


class SheetEncoder(nn.Module):
    """Crop -> mean and log variance of its latent; means and deviations over the crop, no places."""

    def __init__(self, channels: int = 5, features: int = 32, latent_dim: int = 100) -> None:
        super().__init__()
        widths = [channels * 2, features, features * 2, features * 3, features * 4]
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, padding_mode="reflect") for a, b in zip(widths, widths[1:], strict=False))
        pooled = 2 * sum(widths[1:]) + 2 * widths[0]
        self.hidden = nn.Linear(pooled, 256)
        self.out = nn.Linear(256, latent_dim * 2)

    def forward(self, sheets: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) in [0, 1] -> two (N, Z)."""
        x = sheet_views(sheets)
        pooled = [_summary(x)]
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
            pooled.append(_summary(x))
        mean, log_variance = self.out(F.leaky_relu(self.hidden(torch.cat(pooled, 1)), 0.2)).chunk(2, 1)
        return mean, log_variance.clamp(-9, 2)


def sheet_views(sheets: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 2C, H, W): levels, and fine structure at a contrast that can be seen."""
    channels = sheets.shape[1]
    gain = sheets.new_tensor(DETAIL_GAIN[:channels])[:, None, None]
    smooth = F.avg_pool2d(F.pad(sheets, (4, 4, 4, 4), mode="reflect"), 9, 1)
    return torch.cat([sheets - 0.5, (sheets - smooth) * gain], 1)


def _summary(x: Tensor) -> Tensor:
    return torch.cat([x.mean((2, 3)), (x.var((2, 3)) + 1e-6).sqrt()], 1)


class SheetTrainer:
    """Everything that a run changes, and one step of it.

    Args:
        pairs: what to learn from. seed: weights, latents and order follow from it. batch, crop: crops a step, and their edge.
    """

    architecture = "sheet"

    def __init__(self, pairs: Pairs, seed: int = 0, features: int = 32, batch: int = 12, crop: int = 96, steps: int = 8000) -> None:
        torch.manual_seed(seed)
        self.pairs, self.batch, self.crop, self.steps = pairs, batch, crop, steps
        self.options: dict[str, Any] = {"latent_dim": 100, "features": features, "channels": 5, "fields": list(FIELD_NAMES), "margin": SheetGenerator.MARGIN}
        self.generator = SheetGenerator(100, len(FIELD_NAMES), features, 5)
        self.encoder = SheetEncoder()
        with torch.no_grad():
            level = torch.from_numpy(pairs.sheets[::50].astype(np.float32).mean((0, 1, 2)))
            self.generator.base.bias.copy_(torch.logit(level))
            for style in self.generator.styles:
                style.weight.mul_(0.3)  # type: ignore[operator]
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimizer = torch.optim.Adam([*self.generator.parameters(), *self.encoder.parameters()], 2e-3, (0.9, 0.99))
        self.numbers = np.random.default_rng(seed)
        self.random = torch.Generator().manual_seed(seed)
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """One step; the losses by name."""
        for group in self.optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, self.iteration / 100) * (0.5 + 0.5 * np.cos(np.pi * min(1.0, self.iteration / self.steps))) + 2e-5
        fields, sheets = self._crops()
        mean, log_variance = self.encoder(sheets)
        latents = mean + torch.randn(mean.shape, generator=self.random) * (log_variance / 2).exp()
        error = (sheet_views(self.generator(latents, fields)) - sheet_views(sheets)).abs().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        self.optimizer.zero_grad(set_to_none=True)
        ramp = min(1.0, 0.02 + self.iteration / 800)  # an early divergence would switch the latent off for good
        (WEIGHT * error + ramp * divergence).backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 200.0)
        self.optimizer.step()
        self.iteration += 1
        decay = min(0.998, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for kept, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                kept.lerp_(now, 1 - decay)
        return {"error": float(error.detach()), "divergence": float(divergence.detach())}

    def _crops(self) -> tuple[Tensor, Tensor]:
        margin, span = SheetGenerator.MARGIN, self.crop + 2 * SheetGenerator.MARGIN
        fields, sheets = np.empty((self.batch, len(FIELD_NAMES), span, span), np.float32), np.empty((self.batch, 5, self.crop, self.crop), np.float32)
        for i, chosen in enumerate(self.numbers.integers(0, len(self.pairs.sheets), self.batch)):
            y, x = self.numbers.integers(0, LAYOUT, 2)
            rows, columns = (np.arange(-margin, self.crop + margin) + n for n in (y, x))
            layout = self.pairs.layouts[self.pairs.layout_of[chosen]]
            fields[i] = layout[:, (rows % LAYOUT)[:, None], (columns % LAYOUT)[None]]
            inner = np.ix_(rows[margin:-margin] % LAYOUT, columns[margin:-margin] % LAYOUT)
            sheets[i] = np.moveaxis(self.pairs.sheets[chosen][inner], -1, 0)
        return torch.from_numpy(fields), torch.from_numpy(sheets)

    def make(self, latents: Tensor, layout: int = 0) -> NDArray[np.float32]:
        """(N, Z) -> (N, 256, 256, 5) sheets of the averaged generator on one of the layouts."""
        padded = np.pad(self.pairs.layouts[layout].astype(np.float32), ((0, 0), *(((SheetGenerator.MARGIN,) * 2,) * 2)), mode="wrap")
        with torch.no_grad():
            made = [self.average(z[None], torch.from_numpy(padded[None])) for z in latents]
        return torch.cat(made).permute(0, 2, 3, 1).contiguous().numpy()

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Scans of sheets of the averaged generator, (count, 256, 256, 3); the same latents each time."""
        latents = torch.randn(count, 100, generator=torch.Generator().manual_seed(seed))
        return scans(self.make(latents))

    def reconstructed(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Training sheets through the encoder and back, (N, 256, 256, 5)."""
        sheets = torch.from_numpy(self.pairs.sheets[chosen].astype(np.float32)).permute(0, 3, 1, 2)
        with torch.no_grad():
            means, _ = self.encoder(sheets[:, :, : self.crop, : self.crop])
        return np.concatenate([self.make(z[None], int(self.pairs.layout_of[i])) for z, i in zip(means, chosen, strict=True)])

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {
            "generator": self.generator.state_dict(),
            "encoder": self.encoder.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "numbers": _plain(self.numbers.bit_generator.state),
            "iteration": self.iteration,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        for name in ("generator", "encoder", "average", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.numbers.bit_generator.state = state["numbers"]
        self.iteration = int(state["iteration"])


def scans(sheets: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, H, W, 5) -> (N, H, W, 3): as a scanner shows them."""
    return np.stack([Sheet(s[..., :3], s[..., 3], s[..., 4], "", 0, {}, 0.1).scan() for s in sheets])


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else int(value) if isinstance(value, int | np.integer) else value
