"""Training the sheet model on photographs: seamless sheets of any size, red, green and blue.

The generator is the sheet model's: it composes fields of drawn fibres, clouds and marks (`core/fields.py`) into paper. No
photograph says where its fibres lie, so nothing is paired. Two losses teach the composition:

- A discriminator, the DCGAN's, with R1 on real pictures (Mescheder 2018), minibatch deviation (Karras 2018) and turns and
  flips in front of it (Karras 2020), says whether a crop looks like the photographs.
- The energy distance (Szekely and Rizzo 2013; Bellemare 2017) between statistics of generated crops and those of the
  photographs' crops keeps every photograph reachable, in its share: colour, and how strong, how directed and how sparse
  structure is at several scales (as texture synthesis measures it: Portilla and Simoncelli 2000). It needs no second
  network, does not collapse, and teaches colours and contrasts before the discriminator knows anything.

The latent becomes the recipe by a fixed projection alone (no flow). Weights start from a trained sheet model's, which
already knows how to draw paper from the fields.
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
from ..core.sheet_network import SheetGenerator
from .data import Patches
from .dcgan import DETAIL, Discriminator, augment, initialize
from .sheet import LAYOUT, RECIPE

CROP = 128
"""Edge of the crops that are cut from photographs, pixels; a step sees pieces of them."""


@dataclass(frozen=True)
class Recipe:
    """How a sheet model is trained on photographs.

    Attributes:
        features, discriminator_features: widths of the networks.
        batch, edge: crops a step (a multiple of 4, for the minibatch deviation), and their edge.
        layouts: sets of fields that are drawn once.
        warm_up: steps with the statistics alone.
        rate, warm_rate, discriminator_rate: Adam's.
        statistics: weight of the energy distance against the adversarial loss.
        r1, r1_every: weight of R1, and how often it is computed (Karras 2020).
        memory: decay of the average of weights.
    """

    features: int = 32
    steps: int = 10
    discriminator_features: int = 32
    batch: int = 12
    edge: int = 96
    layouts: int = 32
    warm_up: int = 200
    rate: float = 5e-4
    warm_rate: float = 2e-3
    discriminator_rate: float = 4e-4
    statistics: float = 1.0
    r1: float = 0.006
    r1_every: int = 8
    memory: float = 0.998


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
        """Principal axes of the crops' colours, none stronger than ten times the first, so that noise isn't blown up."""
        some = torch.from_numpy(crops[:: max(1, len(crops) // 400)]).permute(0, 3, 1, 2).float() / 255
        levels = F.avg_pool2d(some, 4)
        axes = torch.linalg.eigh(torch.cov(levels.transpose(0, 1).flatten(1)))[1].flip(1)
        structure = F.conv2d(some - local_mean(some, SheetGenerator.MARGIN * 3), axes.T[:, :, None, None])
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
    found = [pictures.mean((2, 3)) * 2, _logarithm(rough.var((2, 3)))]
    for scale in (1, 2, 4, 8):
        level = F.avg_pool2d(pictures, scale) if scale > 1 else pictures
        middle, right, below, across = level[..., :-1, :-1], level[..., :-1, 1:], level[..., 1:, :-1], level[..., 1:, 1:]
        steps = torch.stack([right - middle, below - middle, across - middle, right - below])
        energy = _logarithm(steps.square().mean((3, 4)))
        size = (steps.abs().mean((0, 3, 4)) + 1e-4).log() - DETAIL_LOG
        found += [energy.mean(0), (energy[0] - energy[1]).abs() / 2, (energy[2] - energy[3]).abs() / 2, energy.mean(0) / 2 - size]
    return torch.cat(found, 1)


DETAIL_LOG = float(np.log(DETAIL))


def _logarithm(energy: Tensor) -> Tensor:
    """Of an energy against that of fine structure; nothing below a hundredth of that counts."""
    return (energy / DETAIL**2 + 1e-2).log()


def energy_loss(made: Tensor, real: Tensor) -> Tensor:
    """Squared energy distance of two samples (N, D) and (M, D), unbiased."""
    return 2 * torch.cdist(made, real).mean() - torch.pdist(made).mean() - torch.pdist(real).mean()


class PhotographTrainer:
    """Everything that one training run changes, and one step of it.

    Args:
        patches: crops of photographs, larger than the recipe's edge or as large.
        tile: (2, T, T) uint8, as `draw_fields` takes it.
        seed: weights, latents, layouts and order follow from it.
        start: weights of a trained sheet model by name; what fits is taken.
        recipe: widths, rates, weights.
    """

    architecture = "sheet"

    def __init__(self, patches: Patches, tile: NDArray[np.uint8], seed: int = 0, start: Mapping[str, Tensor] | None = None, recipe: Recipe = Recipe()) -> None:
        torch.manual_seed(seed)
        self.patches, self.recipe = patches, recipe
        self.options: dict[str, Any] = {
            "features": recipe.features, "fields": list(FIELD_NAMES), "margin": SheetGenerator.MARGIN, "recipe": len(RECIPE), "steps": recipe.steps,
        }  # fmt: skip
        self.generator = SheetGenerator(100, len(FIELD_NAMES), len(RECIPE), recipe.features, 3, recipe.steps)
        self.discriminator = Discriminator(recipe.discriminator_features).to(memory_format=torch.channels_last)
        self.discriminator.apply(initialize)
        self.axes = ColorAxes.of(patches.train)
        _start(self.generator, start or {}, self.axes.mean)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.opt_g = torch.optim.Adam(self.generator.parameters(), recipe.rate, (0.5, 0.99))
        self.opt_d = torch.optim.Adam(self.discriminator.parameters(), recipe.discriminator_rate, (0.5, 0.99))
        margin = ((0, 0), *((SheetGenerator.MARGIN,) * 2,) * 2)
        drawn = [draw_fields(LAYOUT, LAYOUT, seed * 1000 + i, tile) for i in range(recipe.layouts)]
        self.layouts = torch.from_numpy(np.stack([np.pad(fields, margin, mode="wrap") for fields in drawn]).astype(np.float16))
        self.random = torch.Generator().manual_seed(seed)
        self.known = torch.cat([crop_statistics(self._real(64)) for _ in range(16)])
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """One step of the networks; the losses by name."""
        warming = self.iteration < self.recipe.warm_up
        fake = self.axes(self.generator(self._latents(self.recipe.batch), self._fields(self.recipe.batch)))
        statistics = energy_loss(crop_statistics(fake), self.known)
        losses = {"statistics": float(statistics.detach())}
        total = self.recipe.statistics * statistics
        if not warming:
            losses["discriminator"] = self._step_discriminator(self._real(self.recipe.batch), fake.detach())
            self.discriminator.requires_grad_(False)
            adversarial = F.softplus(-self.discriminator(augment(fake, self.random))).mean()
            losses["generator"] = float(adversarial.detach())
            total = total + adversarial
        self._step_generator(total, self.recipe.warm_rate if warming else self.recipe.rate)
        self.discriminator.requires_grad_(True)
        self.iteration += 1
        self._average()
        return losses

    def _step_generator(self, loss: Tensor, rate: float) -> None:
        for group in self.opt_g.param_groups:
            group["lr"] = rate
        self.opt_g.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self.opt_g.step()

    def _step_discriminator(self, real: Tensor, fake: Tensor) -> float:
        real, fake = augment(real, self.random), augment(fake, self.random)
        penalize = self.iteration % self.recipe.r1_every == 0
        real.requires_grad_(penalize)
        real_logits, fake_logits = self.discriminator(real), self.discriminator(fake)
        loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        total = loss
        if penalize:
            (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
            total = loss + gradient.square().sum((1, 2, 3)).mean() * (self.recipe.r1 / 2 * self.recipe.r1_every)
        self.opt_d.zero_grad(set_to_none=True)
        total.backward()
        self.opt_d.step()
        return float(loss.detach())

    def _average(self) -> None:
        decay = min(self.recipe.memory, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    def _latents(self, count: int) -> Tensor:
        return torch.randn(count, 100, generator=self.random)

    def _fields(self, count: int) -> Tensor:
        """Pieces of the layouts with what the generator needs around them."""
        edge = self.recipe.edge + 2 * SheetGenerator.MARGIN
        return torch.stack([self._piece(self.layouts, edge) for _ in range(count)]).float()

    def _real(self, count: int) -> Tensor:
        train = torch.from_numpy(self.patches.train).permute(0, 3, 1, 2)
        pieces = torch.stack([self._piece(train, self.recipe.edge) for _ in range(count)])
        # Eight bits are coarse against paper's contrast: the steps between them must not tell real from generated.
        return self.axes((pieces + torch.rand(pieces.shape, generator=self.random) - 0.5) / 255)

    def _piece(self, planes: Tensor, edge: int) -> Tensor:
        """A square of one of (N, C, H, W)."""
        which, y, x = (int(torch.randint(0, n, (1,), generator=self.random)) for n in (len(planes), *(size - edge + 1 for size in planes.shape[2:])))
        return planes[which, :, y : y + edge, x : x + edge]

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Pictures of the averaged generator, (count, CROP, CROP, 3) in [0, 1]; the same latents each time."""
        latents = torch.randn(count, 100, generator=torch.Generator().manual_seed(seed))
        edge = CROP + 2 * SheetGenerator.MARGIN
        with torch.no_grad():
            made = [self.average(z[None], self.layouts[i % len(self.layouts), None, :, :edge, :edge].float()) for i, z in enumerate(latents)]
        return torch.cat(made).permute(0, 2, 3, 1).contiguous().numpy()

    def finished(self) -> nn.Module:
        """The averaged generator."""
        return copy.deepcopy(self.average).eval()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, tensors and numbers only."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return {**parts, "known": self.known, "random": self.random.get_state(), "iteration": self.iteration}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.known = state["known"]
        self.random.set_state(state["random"])
        self.iteration = int(state["iteration"])


_PARTS = ("generator", "discriminator", "average", "opt_g", "opt_d")


def _start(generator: SheetGenerator, weights: Mapping[str, Tensor], level: Tensor) -> None:
    """Weights to begin with: those given, where they fit (of more channels the first), the rest at random around one colour."""
    with torch.no_grad():
        generator.projection.copy_(torch.linalg.qr(torch.randn(generator.projection.shape)).Q)
        generator.base.bias.copy_(torch.logit(level, 0.02))
        for style in generator.styles:
            style.weight.mul_(0.3)  # type: ignore[operator]
        own = generator.state_dict()
        for name, value in weights.items():
            if name in own and value.shape[1:] == own[name].shape[1:] and len(value) >= len(own[name]):
                own[name].copy_(value[: len(own[name])])
