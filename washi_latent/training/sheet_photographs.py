"""Training the sheet model on photographs: seamless sheets of any size, red, green and blue.

The generator is the sheet model's: it composes fields of drawn fibres, clouds and marks (`core/fields.py`) into paper. The
simulation tells a sheet's recipe, and where its fibres lie; a photograph tells neither. So its *recipe* is measured: the principal
components of statistics of its crops, of colour and of how strong, how directed and how sparse structure is at several
scales (as texture synthesis measures it: Portilla and Simoncelli 2000). Then, as for the simulation's sheets:

- *Composing*: what is made of a crop's recipe, on any fields, must have that crop's statistics; and a discriminator, the
  DCGAN's, with R1 on real pictures (Mescheder 2018), minibatch deviation (Karras 2018) and turns and flips in front of it
  (Karras 2020), must not tell it from the photographs. The statistics are fast and stable and keep every photograph's
  colour; the discriminator sees what they don't.
- *Which papers there are*: a rectified flow carries the latent to the recipes, so that every photograph is reached in its share.

Weights start from a trained sheet model's, which already knows how to draw paper from the fields.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.fields import FIELD_NAMES, draw_fields
from ..core.networks import local_mean
from ..core.sheet_network import SheetGenerator, build
from .beginning import Beginning
from .data import SHEET_PATCH, Patches
from .dcgan import DETAIL, Discriminator, augment, initialize
from .sheet import LAYERS, LAYOUT, RECIPE, flow_loss

COLOR_WEIGHT = 3.0
"""Of mean colours among the statistics: the eye compares them before anything else."""


@dataclass(frozen=True)
class Settings:
    """How a sheet model is trained on photographs.

    Attributes:
        features, discriminator_features: widths of the networks.
        batch, edge: crops a step (a multiple of 4, for the minibatch deviation), and their edge.
        layouts: sets of fields that are drawn once.
        warm_up: steps with the statistics alone.
        rate, warm_rate, discriminator_rate: Adam's.
        statistics: weight of the statistics against the adversarial loss.
        r1, r1_every: weight of R1, and how often it is computed (Karras 2020).
        memory: decay of the average of weights.
    """

    features: int = 32
    discriminator_features: int = 32
    batch: int = 16
    edge: int = 64
    layouts: int = 32
    warm_up: int = 300
    rate: float = 5e-4
    warm_rate: float = 2e-3
    discriminator_rate: float = 2e-4
    statistics: float = 6.0
    r1: float = 0.05
    r1_every: int = 8
    memory: float = 0.995


@dataclass(frozen=True, eq=False)
class ColorAxes:
    """Decorrelated colours, in units in which the photographs' fine structure has the contrast `DETAIL`.

    Attributes:
        mean: (3,) of red, green and blue. inverse: (3, 3) from what differs from it to the axes.
    """

    mean: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, crops: NDArray[np.uint8]) -> ColorAxes:
        """Principal axes of the crops' colours; where one has hardly any structure, its noise isn't blown up."""
        some = torch.from_numpy(crops[:: max(1, len(crops) // 400)]).permute(0, 3, 1, 2).float() / 255
        levels = F.avg_pool2d(some, 4)
        axes = torch.linalg.eigh(torch.cov(levels.transpose(0, 1).flatten(1)))[1].flip(1)
        structure = F.conv2d(some - local_mean(some, 9), axes.T[:, :, None, None])
        contrast = structure.square().mean((0, 2, 3)).sqrt()
        contrast = torch.maximum(contrast, contrast.max() / 10).clamp_min(1e-4)
        return cls(some.mean((0, 2, 3)), (axes * (DETAIL / contrast)).T.contiguous())

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 3, H, W)."""
        return F.conv2d(pictures - self.mean[:, None, None], self.inverse[:, :, None, None])


def crop_statistics(pictures: Tensor) -> Tensor:
    """What a crop of paper is like, wherever its fibres lie, and however it is turned.

    Args:
        pictures: (N, 3, H, W) in colour axes; H and W 32 and above.

    Returns:
        (N, 54): mean colours; unevenness of colour at 16 pixels; and for steps between pixels at scales of 1, 2, 4 and 8,
        their log energy, how strongly it prefers an axis and a diagonal, and how sparse they are.
    """
    rough = F.avg_pool2d(pictures, 16)
    found = [pictures.mean((2, 3)) * COLOR_WEIGHT, _logarithm(rough.var((2, 3)))]
    for scale in (1, 2, 4, 8):
        level = F.avg_pool2d(pictures, scale) if scale > 1 else pictures
        middle, right, below, across = level[..., :-1, :-1], level[..., :-1, 1:], level[..., 1:, :-1], level[..., 1:, 1:]
        steps = torch.stack([right - middle, below - middle, across - middle, right - below])
        energy = _logarithm(steps.square().mean((3, 4)))
        usual = 2 * ((steps.abs().mean((0, 3, 4)) + 1e-4) / DETAIL).log()
        found += [energy.mean(0), (energy[0] - energy[1]).abs() / 2, (energy[2] - energy[3]).abs() / 2, (energy.mean(0) - usual) / 2]
    return torch.cat(found, 1)


def _logarithm(energy: Tensor) -> Tensor:
    """Of an energy against that of fine structure; nothing below a hundredth of that counts."""
    return (energy / DETAIL**2 + 1e-2).log()


@dataclass(frozen=True, eq=False)
class PaperSpace:
    """Recipes of photographed papers: standardized principal components of their crops' statistics.

    Attributes:
        mean: (S,) of the statistics. basis: (S, R) from what differs from it to a recipe.
    """

    mean: Tensor
    basis: Tensor

    @classmethod
    def of(cls, statistics: Tensor, recipe: int) -> PaperSpace:
        """The space of these crops' statistics (N, S); what varies least is not blown up to what varies most."""
        mean, deviation = statistics.mean(0), statistics.std(0).clamp_min(0.1)
        variances, axes = torch.linalg.eigh(torch.cov(((statistics - mean) / deviation).T))
        spread = variances.clamp_min(0).sqrt().flip(0)[:recipe]
        return cls(mean, axes.flip(1)[:, :recipe] / deviation[:, None] / spread.clamp_min(float(spread[0]) / 5 + 1e-3))

    def __call__(self, statistics: Tensor) -> Tensor:
        """(N, S) -> (N, R)."""
        return (statistics - self.mean) @ self.basis


def network_options(settings: Settings = Settings()) -> dict[str, Any]:
    """A bundle's options of the network that is trained, all but its margin."""
    return {"features": settings.features, "fields": list(FIELD_NAMES), "recipe": len(RECIPE), "steps": 10, "layers": list(LAYERS)}


def build_network(options: dict[str, Any]) -> SheetGenerator:
    """The untrained network of such options."""
    return build({**options, "latent_dim": 100, "channels": 3})


def can_begin(beginning: Beginning, options: Mapping[str, Any]) -> bool:
    """Whether a sheet model composes as the network of these options does: weights of other layers are of no use."""
    return beginning.composes_as({name: options[name] for name in ("features", "recipe", "layers")})


class PhotographTrainer:
    """Everything that one training run changes, and one step of it.

    Args:
        patches: crops of photographs, as large as the settings' edge or larger.
        tile: (4, T, T) uint8, as `draw_fields` takes it.
        seed: weights, latents, layouts and order follow from it.
        start: a sheet model that `can_begin`, whose weights to begin with; None: random ones.
        settings: widths, rates, weights.
    """

    architecture = "sheet"

    def __init__(self, patches: Patches, tile: NDArray[np.uint8], seed: int = 0, start: Beginning | None = None, settings: Settings = Settings()) -> None:
        torch.manual_seed(seed)
        self.patches, self.settings = patches, settings
        self.options = network_options(settings)
        self.generator = build_network(self.options)
        self.options["margin"] = self.generator.margin
        self.discriminator = Discriminator(settings.discriminator_features).to(memory_format=torch.channels_last)
        self.discriminator.apply(initialize)
        self.axes = ColorAxes.of(patches.train)
        _start(self.generator, start, self.axes.mean)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.opt_g = torch.optim.Adam(self.generator.parameters(), settings.rate, (0.5, 0.99))
        self.opt_d = torch.optim.Adam(self.discriminator.parameters(), settings.discriminator_rate, (0.5, 0.99))
        margin = ((0, 0), *((self.generator.margin,) * 2,) * 2)
        drawn = [draw_fields(LAYOUT, LAYOUT, seed * 1000 + i, tile) for i in range(settings.layouts)]
        self.layouts = torch.from_numpy(np.stack([np.pad(fields, margin, mode="wrap") for fields in drawn]).astype(np.float16))
        self.random = torch.Generator().manual_seed(seed)
        known = torch.cat([crop_statistics(self._real(64)) for _ in range(16)])
        self.space = PaperSpace.of(known, len(RECIPE))
        self.recipes = self.space(known)
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """One step of the networks; the losses by name."""
        warming = self.iteration < self.settings.warm_up
        real = self._real(self.settings.batch)
        wanted = crop_statistics(real)
        fake = self.axes(self.generator.compose(self.space(wanted), self._fields(self.settings.batch)))
        losses = {"statistics": (crop_statistics(fake) - wanted).abs().mean(), "flow": flow_loss(self.generator, self.recipes, self.random)}
        total = self.settings.statistics * losses["statistics"] + losses["flow"]
        if not warming:
            losses["discriminator"] = self._step_discriminator(real, fake.detach())
            self.discriminator.requires_grad_(False)
            losses["generator"] = F.softplus(-self.discriminator(augment(fake, self.random))).mean()
            total = total + losses["generator"]
        self._step_generator(total, self.settings.warm_rate if warming else self.settings.rate)
        self.discriminator.requires_grad_(True)
        self.iteration += 1
        self._average()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _step_generator(self, loss: Tensor, rate: float) -> None:
        for group in self.opt_g.param_groups:
            group["lr"] = rate
        self.opt_g.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self.opt_g.step()

    def _step_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = augment(real, self.random), augment(fake, self.random)
        penalize = self.iteration % self.settings.r1_every == 0
        real.requires_grad_(penalize)
        real_logits, fake_logits = self.discriminator(real), self.discriminator(fake)
        loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        total = loss
        if penalize:
            (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
            total = loss + gradient.square().sum((1, 2, 3)).mean() * (self.settings.r1 / 2 * self.settings.r1_every)
        self.opt_d.zero_grad(set_to_none=True)
        total.backward()
        self.opt_d.step()
        return loss

    def _average(self) -> None:
        decay = min(self.settings.memory, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    def _fields(self, count: int) -> Tensor:
        """Pieces of the layouts with what the generator needs around them."""
        edge = self.settings.edge + 2 * self.generator.margin
        return torch.stack([self._piece(self.layouts, edge) for _ in range(count)]).float()

    def _real(self, count: int) -> Tensor:
        train = torch.from_numpy(self.patches.train).permute(0, 3, 1, 2)
        pieces = torch.stack([self._piece(train, self.settings.edge) for _ in range(count)])
        # Eight bits are coarse against paper's contrast: the steps between them must not tell real from generated.
        return self.axes((pieces + torch.rand(pieces.shape, generator=self.random) - 0.5) / 255)

    def _piece(self, planes: Tensor, edge: int) -> Tensor:
        """A square of one of (N, C, H, W)."""
        which, y, x = (int(torch.randint(0, n, (1,), generator=self.random)) for n in (len(planes), *(size - edge + 1 for size in planes.shape[2:])))
        return planes[which, :, y : y + edge, x : x + edge]

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Pictures of the averaged generator, (count, 128, 128, 3) in [0, 1]; the same latents each time."""
        latents = torch.randn(count, 100, generator=torch.Generator().manual_seed(seed))
        edge = SHEET_PATCH + 2 * self.generator.margin
        with torch.no_grad():
            made = [self.average(z[None], self.layouts[i % len(self.layouts), None, :, :edge, :edge].float()) for i, z in enumerate(latents)]
        return torch.cat(made).permute(0, 2, 3, 1).contiguous().numpy()

    def finished(self) -> nn.Module:
        """The averaged generator."""
        return copy.deepcopy(self.average).eval()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, tensors and numbers only."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return {**parts, "random": self.random.get_state(), "iteration": self.iteration}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`; what was measured of the photographs follows from them and the seed."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.iteration = int(state["iteration"])


_PARTS = ("generator", "discriminator", "average", "opt_g", "opt_d")


def _start(generator: SheetGenerator, beginning: Beginning | None, level: Tensor) -> None:
    """Weights to begin with: those given, where they fit (of more channels the first), the rest at random around one colour."""
    with torch.no_grad():
        generator.projection.copy_(torch.linalg.qr(torch.randn(generator.projection.shape)).Q)
        generator.base.bias.copy_(torch.logit(level, 0.02))
        for style in generator.styles:
            style.weight.mul_(0.3)  # type: ignore[operator]
        own = generator.state_dict()
        for name, value in beginning.arranged(generator).items() if beginning else ():
            if name in own and value.shape[1:] == own[name].shape[1:] and len(value) >= len(own[name]):
                own[name].copy_(value[: len(own[name])])
