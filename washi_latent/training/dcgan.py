"""Training DCGAN on patches: discriminator, losses and one step.

The generator and the latent space are the paper's (Radford 2015; 100 dimensions, 64x64). What keeps it stable and diverse
is newer: the non-saturating logistic loss with R1 on real pictures (Mescheder 2018), minibatch standard deviation
(Karras 2018), an average of the generator's weights (Yazici 2019), and augmentation by turns and flips in front of the
discriminator (Karras 2020), which are textures' own symmetries.

A GAN alone needs long to find the colours and forms of its data. So the generator first learns as the decoder of a
variational autoencoder (Kingma and Welling 2014), and that loss goes on beside the adversarial one (Larsen 2016), which
keeps every kind of paper reachable. No latent can say where each fibre lies; so the autoencoder compares colours and
large forms by place, and fine structure by its energy at several scales and directions (as texture synthesis does:
Portilla and Simoncelli 2000).

Washi lives within a tenth of the tonal range while its colours span all of it. So everything here sees decorrelated
colours of unit variance, and the discriminator and the encoder see every picture twice: as it is, and as its fine
structure alone at a contrast that can be seen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.images import resize
from ..core.models import TextureModel, read_file
from ..core.networks import DCGANGenerator, local_mean
from .data import Patches
from .sheet import scans

DETAIL = 0.1
"""Contrast of washi's fine structure against that of its colours, both in units of the colours' standard deviation."""


@dataclass(frozen=True)
class Recipe:
    """How one DCGAN is trained.

    Attributes:
        features, discriminator_features, encoder_features: widths of the networks.
        batch: patches a step.
        warm_up: steps as a variational autoencoder alone. lessons: steps at a sheet model's lessons alone, in its place.
        reconstruct_every: after that, its loss goes on at every so many steps.
        rate, discriminator_rate, warm_rate, later_rate: Adam's, of the adversarial loss for either network, and of the autoencoder's before and after the warm-up.
        reconstruction: weight of the autoencoder's comparison against its divergence in nats.
        r1, r1_every: weight of R1, and how often it is computed (Karras 2020). Small, for its gradients grow with the contrast that the
            discriminator gives to fine structure: a hundredfold in the square.
        memory: decay of the average of weights.
    """

    features: int = 48
    discriminator_features: int = 32
    encoder_features: int = 24
    batch: int = 32
    warm_up: int = 400
    lessons: int = 1500
    reconstruct_every: int = 2
    rate: float = 2e-4
    discriminator_rate: float = 2e-4
    warm_rate: float = 8e-4
    later_rate: float = 2e-4
    reconstruction: float = 150.0
    r1: float = 0.01
    r1_every: int = 8
    memory: float = 0.998


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a sheet model makes of latents, with one seed: (N, 100) float32 and (N, 64, 64, 3) uint8.

    With them comes its flow from latents to recipes, which the generator takes over as a fixed mapping network.

    The simulation's randomness, where each fibre lies, is no latent's to say; a lesson holds it still. So the generator learns the
    papers first, sharp and with all their kinds, and the adversarial loss then makes its patches like the simulation's.
    """

    latents: NDArray[np.float32]
    pictures: NDArray[np.uint8]
    flow: Mapping[str, Tensor]
    """The sheet model's flow from latents to recipes, its weights by name."""

    @classmethod
    def of(cls, model: TextureModel, count: int = 8_000, seed: int = 0, say: Callable[[str], None] = lambda _: None) -> Lessons:
        """Draw lessons: sheets of 9.6 mm, as a scanner shows them, at 64 pixels."""
        latents = np.random.default_rng(seed).normal(size=(count, model.latent_dim)).astype(np.float32)
        pictures = np.empty((count, 64, 64, 3), np.uint8)
        for first in range(0, count, 48):
            sheets = scans(model.generate(latents[first : first + 48], 96, seed=seed))
            pictures[first : first + 48] = [np.round(resize(sheet, 64, 64) * 255) for sheet in sheets]
            if first % 4800 == 0:
                say(f"drew {first} of {count} lessons")
        return cls(latents, pictures, cls.flow_of(model))

    @staticmethod
    def flow_of(model: TextureModel) -> dict[str, Tensor]:
        """The weights of a sheet model's flow."""
        weights = load(read_file(model.info, "generator.safetensors"))
        return {name: value for name, value in weights.items() if name.startswith(("projection", "velocity"))}


class Discriminator(nn.Module):
    """DCGAN's discriminator without normalization; pads with nothing that looks like a seam."""

    def __init__(self, features: int = 48, channels: int = 3) -> None:
        super().__init__()
        self.stages = _stages([channels * 3, features, features * 2, features * 4, features * 6])
        self.last = nn.Conv2d(features * 6 + 1, features * 6, 3, padding=1)
        self.logit = nn.Linear(features * 6, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, 64, 64) decorrelated -> (N,) logits."""
        x = torch.cat([two_views(pictures), unevenness(pictures)], 1)
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
        x = F.leaky_relu(self.last(torch.cat([x, _batch_deviation(x)], 1)), 0.2)
        return self.logit(x.mean((2, 3))).squeeze(1)


class Encoder(nn.Module):
    """Picture -> mean and log variance of its latent."""

    def __init__(self, features: int = 32, channels: int = 3, latent_dim: int = 100) -> None:
        super().__init__()
        self.stages = _stages([channels * 2, features, features * 2, features * 4, features * 8])
        self.out = nn.Linear(features * 8 * 16, latent_dim * 2)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, 64, 64) decorrelated -> two (N, Z)."""
        x = two_views(pictures)
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
        mean, log_variance = self.out(x.flatten(1)).chunk(2, 1)
        return mean, log_variance.clamp(-8, 2)


def _stages(widths: list[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, padding_mode="reflect") for a, b in zip(widths, widths[1:], strict=False))


def two_views(pictures: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 2C, H, W): the picture, and its fine structure at unit contrast, what sticks out compressed."""
    return torch.cat([pictures, fine_structure(pictures)], 1)


def unevenness(pictures: Tensor) -> Tensor:
    """How smooth colour wanders over a picture, at unit contrast: paper is even, and a shadow in a corner betrays a copy."""
    smooth = local_mean(pictures, DCGANGenerator.SMOOTH)
    return torch.asinh((smooth - smooth.mean((2, 3), keepdim=True)) / DETAIL)


def fine_structure(pictures: Tensor) -> Tensor:
    """What is finer than the generator's smoothing, at unit contrast; large values (leaf, bark) grow as their logarithm."""
    return torch.asinh((pictures - local_mean(pictures, DCGANGenerator.SMOOTH)) / DETAIL)


def texture_energy(pictures: Tensor) -> list[Tensor]:
    """Log energy of directed differences at four scales, averaged over 16x16 pixels: (N, 4C, H/16, W/16) each."""
    energies: list[Tensor] = []
    for scale in (1, 2, 4, 8):
        level = F.avg_pool2d(pictures, scale) if scale > 1 else pictures
        middle = level[..., :-1, :-1]
        right, below, across = level[..., :-1, 1:], level[..., 1:, :-1], level[..., 1:, 1:]
        steps = torch.cat([right - middle, below - middle, across - middle, right - below], 1) / DETAIL
        padded = F.pad(steps.square(), (0, 1, 0, 1), mode="replicate")
        energies.append((F.avg_pool2d(padded, 16 // scale) + 3e-3).log())
    return energies


def _color_statistics(pictures: Tensor) -> tuple[Tensor, ...]:
    """(N, C) each: mean, unevenness of smooth colour, least and most. A single dark blot is cheap in a mean, and is most in the last two."""
    return pictures.mean((2, 3)), local_mean(pictures, DCGANGenerator.SMOOTH).std((2, 3)), pictures.amin((2, 3)), pictures.amax((2, 3))


def _batch_deviation(x: Tensor) -> Tensor:
    groups = x.reshape(-1, 4, *x.shape[1:]) if len(x) % 4 == 0 else x[None]
    spread = groups.var(1, unbiased=False).add(1e-8).sqrt().mean((1, 2, 3))
    return spread.repeat_interleave(len(x) // len(spread))[:, None, None, None].expand(len(x), 1, *x.shape[2:])


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Textures' own symmetries, each picture its own: quarter turns and flips."""
    turns = torch.randint(0, 4, (len(pictures),), generator=generator).tolist()
    flips = torch.rand(len(pictures), generator=generator) < 0.5
    turned = [torch.rot90(p, k, (1, 2)) for p, k in zip(pictures, turns, strict=True)]
    return torch.stack([p.flip(2) if f else p for p, f in zip(turned, flips.tolist(), strict=True)]).contiguous(memory_format=torch.channels_last)


def untrained(flow: Mapping[str, Tensor] | None, recipe: Recipe = Recipe()) -> DCGANGenerator:
    """The generator as a training begins with it, whose mapping network is of a flow's shape; None: without one."""
    return DCGANGenerator(100, recipe.features, 3, DETAIL, flow["projection"].shape[1] if flow else 0)


class DCGANTrainer:
    """Everything that one training run changes, and one step of it.

    Args:
        patches: what to learn from.
        seed: weights, latents and order follow from it.
        recipe: widths, rates, weights.
        lessons: pictures that a sheet model makes of latents; None: an autoencoder warms the generator up.
    """

    architecture = "dcgan"

    def __init__(self, patches: Patches, seed: int = 0, recipe: Recipe = Recipe(), lessons: Lessons | None = None) -> None:
        torch.manual_seed(seed)
        self.patches, self.recipe, self.lessons = patches, recipe, lessons
        self.options: dict[str, Any] = {"features": recipe.features, "detail": DETAIL}
        if lessons:
            self.options["recipe"] = lessons.flow["projection"].shape[1]
        self.generator = untrained(lessons.flow if lessons else None, recipe).to(memory_format=torch.channels_last)
        self.discriminator = Discriminator(recipe.discriminator_features).to(memory_format=torch.channels_last)
        self.encoder = Encoder(recipe.encoder_features).to(memory_format=torch.channels_last)
        for module in [*self.generator.modules(), *self.discriminator.modules(), *self.encoder.modules()]:
            initialize(module)
        with torch.no_grad():
            self.generator.layers[-1].weight *= 5  # pictures of unit variance from the first step on
            # A latent that says little at first is one the generator learns to ignore.
            self.encoder.out.weight[100:] *= 0.1
            self.encoder.out.bias[100:] = -4
        _set_color_axes(self.generator, patches.train)
        if lessons and self.generator.flow:
            self.generator.flow.load_state_dict(dict(lessons.flow))
            self.generator.flow.requires_grad_(False)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.opt_g = torch.optim.Adam(self.generator.parameters(), recipe.rate, (0.5, 0.99))
        self.opt_d = torch.optim.Adam(self.discriminator.parameters(), recipe.discriminator_rate, (0.5, 0.99))
        self.opt_e = torch.optim.Adam([*self.encoder.parameters(), *self.generator.parameters()], recipe.warm_rate, (0.9, 0.99))
        self.random = torch.Generator().manual_seed(seed)
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """One step of the networks; the losses by name."""
        self.generator.train()
        losses: dict[str, float] = {}
        warming = self.iteration < (self.recipe.lessons if self.lessons else self.recipe.warm_up)
        if warming or self.iteration % self.recipe.reconstruct_every == 0:
            rate = self.recipe.warm_rate if warming else self.recipe.later_rate
            losses |= self._step_lesson(rate, warming) if self.lessons else self._step_autoencoder(rate)
        if not warming:
            fake = self.generator.decorrelated(self._latents(self.recipe.batch))
            losses["discriminator"] = self._step_discriminator(self._real(), fake.detach())
            losses["generator"] = self._step_generator(fake)
        self.iteration += 1
        self._average()
        return losses

    def _step_autoencoder(self, rate: float) -> dict[str, float]:
        """One step of the variational autoencoder: alone at first, a gentle pull beside the adversarial loss later."""
        real = augment(self._real(), self.random)
        mean, log_variance = self.encoder(real)
        latents = mean + torch.randn(mean.shape, generator=self.random) * (log_variance / 2).exp()
        made = self.generator.decorrelated(latents)
        color = (local_mean(made, 5) - local_mean(real, 5)).abs().mean()
        form = (fine_structure(made) - fine_structure(real)).abs().mean()
        energy = torch.stack([(a - b).abs().mean() for a, b in zip(texture_energy(made), texture_energy(real), strict=True)]).mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        self.opt_e.zero_grad(set_to_none=True)
        priced = min(1.0, 0.05 + self.iteration / self.recipe.warm_up)
        (self.recipe.reconstruction * (2 * color + 0.15 * form + 0.05 * energy) + priced * divergence).backward()
        for group in self.opt_e.param_groups:
            group["lr"] = rate
        self.opt_e.step()
        return {"color": float(color.detach()), "form": float(form.detach()), "energy": float(energy.detach()), "nats": float(divergence.detach())}

    def _step_lesson(self, rate: float, by_place: bool) -> dict[str, float]:
        """One step toward what the sheet model makes of the same latents: each pixel of it at first, later what it is like all over.

        Later every fibre may lie where it likes; colour, unevenness, extremes and energies still tell the kind of paper.
        """
        assert self.lessons is not None
        chosen = torch.randint(0, len(self.lessons.latents), (self.recipe.batch,), generator=self.random).numpy()
        wanted = self._decorrelated(self.lessons.pictures[chosen])
        made = self.generator.decorrelated(torch.from_numpy(self.lessons.latents[chosen]))
        if by_place:
            color = (local_mean(made, 5) - local_mean(wanted, 5)).abs().mean()
            form = (fine_structure(made) - fine_structure(wanted)).abs().mean()
        else:
            color = sum(
                (a - b).abs().mean() * weight for a, b, weight in zip(_color_statistics(made), _color_statistics(wanted), (1, 1, 0.5, 0.5), strict=True)
            )
            energies = zip(texture_energy(made), texture_energy(wanted), strict=True)
            form = torch.stack([(a.mean((2, 3)) - b.mean((2, 3))).abs().mean() for a, b in energies]).mean()
        self.opt_e.zero_grad(set_to_none=True)
        (2 * color + form).backward()
        for group in self.opt_e.param_groups:
            group["lr"] = rate
        self.opt_e.step()
        return {"color": float(color.detach()), "form": float(form.detach())}

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

    def _step_generator(self, fake: Tensor) -> float:
        self.discriminator.requires_grad_(False)
        loss = F.softplus(-self.discriminator(augment(fake, self.random))).mean()
        self.opt_g.zero_grad(set_to_none=True)
        loss.backward()
        self.opt_g.step()
        self.discriminator.requires_grad_(True)
        return float(loss.detach())

    def _average(self) -> None:
        decay = min(self.recipe.memory, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    def _latents(self, count: int) -> Tensor:
        return torch.randn(count, 100, generator=self.random)

    def _real(self) -> Tensor:
        chosen = torch.randint(0, len(self.patches.train), (self.recipe.batch,), generator=self.random).numpy()
        return self._decorrelated(self.patches.train[chosen])

    def _decorrelated(self, pictures: NDArray[np.uint8]) -> Tensor:
        batch = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
        # Eight bits are coarse against washi's contrast: the steps between them must not tell real from generated.
        noise = torch.rand(batch.shape, generator=self.random) - 0.5
        with torch.no_grad():
            return self.generator.from_picture((batch + noise) / 255).contiguous(memory_format=torch.channels_last)

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Pictures of the averaged generator, (count, 64, 64, 3) in [0, 1]; the same latents each time."""
        latents = torch.randn(count, 100, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return self.finished(8)(latents).permute(0, 2, 3, 1).contiguous().numpy()

    def finished(self, batches: int = 24) -> nn.Module:
        """The averaged generator, its normalization statistics measured anew with its own weights."""
        model = copy.deepcopy(self.average)
        for norm in [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all that follows
        model.train()
        random = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for _ in range(batches):
                model(torch.randn(128, 100, generator=random))
        return model.eval()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, tensors and numbers only."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return {**parts, "random": self.random.get_state(), "iteration": self.iteration}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.iteration = int(state["iteration"])


_PARTS = ("generator", "discriminator", "encoder", "average", "opt_g", "opt_d", "opt_e")


def _set_color_axes(generator: DCGANGenerator, patches: NDArray[np.uint8]) -> None:
    """Principal axes of the patches' pixels, none weaker than a tenth of the first, so that noise isn't blown up."""
    pixels = patches[:: max(1, len(patches) // 4000), 2::8, 2::8].reshape(-1, 3) / 255
    variances, axes = np.linalg.eigh(np.cov(pixels.T))
    deviations = np.sqrt(np.maximum(variances, max(variances[-1] / 100, 1e-6)))
    with torch.no_grad():
        generator.color_mean.copy_(torch.from_numpy(pixels.mean(0)))
        generator.color_mix.copy_(torch.from_numpy((axes * deviations)[:, ::-1].copy()))


def initialize(module: nn.Module) -> None:
    """Radford's N(0, .02) for the generator's deconvolutions, He's for the rest."""
    if isinstance(module, nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, 0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
