"""Training DCGAN on patches: discriminator, losses and one step.

The generator and the latent space are the paper's (Radford 2015; 100 dimensions, 64x64). What keeps it stable and diverse
is newer: the non-saturating logistic loss with R1 on real pictures (Mescheder 2018), minibatch standard deviation
(Karras 2018), an average of the generator's weights (Yazici 2019), and augmentation by turns, flips and small shifts of
brightness in front of the discriminator (Karras 2020), which are textures' own symmetries.

A GAN alone needs long to find the colours and forms of its data. So the generator first learns as the decoder of a
variational autoencoder (Kingma and Welling 2014), and that loss goes on beside the adversarial one (Larsen 2016), which
keeps every kind of paper reachable; the encoder finds a latent for a picture.

Washi lives within a tenth of the tonal range while its colours span all of it. So the discriminator sees every picture
twice: as it is, and as the contrast of its fine structure alone.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.networks import DCGANGenerator
from .data import Patches

R1_GAMMA, R1_EVERY = 1.0, 8
WARM_UP, RECONSTRUCT_EVERY = 700, 3
RECONSTRUCTION_WEIGHT, WARM_RATE, LATER_RATE = 400.0, 5e-4, 3e-5
DETAIL_GAIN, COLOR_GAIN = 14.0, 2.0


class Discriminator(nn.Module):
    """DCGAN's discriminator without normalization; pads with nothing that looks like a seam."""

    def __init__(self, features: int = 48, channels: int = 3) -> None:
        super().__init__()
        widths = [channels * 2, features, features * 2, features * 4, features * 6]
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, padding_mode="reflect") for a, b in zip(widths, widths[1:], strict=False))
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.logit = nn.Linear(widths[-1], 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, 64, 64) in [0, 1] -> (N,) logits."""
        x = two_views(pictures)
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
        x = F.leaky_relu(self.last(torch.cat([x, _batch_deviation(x)], 1)), 0.2)
        return self.logit(x.mean((2, 3))).squeeze(1)


class Encoder(nn.Module):
    """Picture -> mean and log variance of its latent."""

    def __init__(self, features: int = 32, channels: int = 3, latent_dim: int = 100) -> None:
        super().__init__()
        widths = [channels * 2, features, features * 2, features * 4, features * 8]
        self.stages = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, padding_mode="reflect") for a, b in zip(widths, widths[1:], strict=False))
        self.out = nn.Linear(widths[-1] * 16, latent_dim * 2)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, 64, 64) in [0, 1] -> two (N, Z)."""
        x = two_views(pictures)
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
        mean, log_variance = self.out(x.flatten(1)).chunk(2, 1)
        return mean, log_variance.clamp(-8, 2)


def two_views(pictures: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 2C, H, W): the picture, and its fine structure at a contrast that can be seen."""
    smooth = F.avg_pool2d(F.pad(pictures, (4, 4, 4, 4), mode="reflect"), 9, 1)
    return torch.cat([(pictures - 0.6) * COLOR_GAIN, (pictures - smooth) * DETAIL_GAIN], 1)


def _batch_deviation(x: Tensor) -> Tensor:
    groups = x.reshape(-1, min(4, len(x)), *x.shape[1:]) if len(x) % 4 == 0 else x[None]
    spread = groups.var(1, unbiased=False).add(1e-8).sqrt().mean((1, 2, 3, 4) if groups.ndim == 6 else (1, 2, 3))
    return spread.repeat_interleave(len(x) // len(spread))[:, None, None, None].expand(len(x), 1, *x.shape[2:])


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Textures' own symmetries, each picture its own: quarter turns and flips; and a little brightness."""
    turns = torch.randint(0, 4, (len(pictures),), generator=generator).tolist()
    flips = torch.rand(len(pictures), generator=generator) < 0.5
    turned = [torch.rot90(p, k, (1, 2)) for p, k in zip(pictures, turns, strict=True)]
    stacked = torch.stack([p.flip(2) if f else p for p, f in zip(turned, flips.tolist(), strict=True)])
    return stacked + (torch.rand(len(pictures), 1, 1, 1, generator=generator) - 0.5) * 0.02


class DCGANTrainer:
    """Everything that one training run changes, and one step of it.

    Args:
        patches: what to learn from.
        seed: weights, latents and order follow from it.
        features, discriminator_features: widths of the two networks.
        batch: patches a step.
    """

    architecture = "dcgan"

    def __init__(self, patches: Patches, seed: int = 0, features: int = 64, discriminator_features: int = 48, batch: int = 64) -> None:
        torch.manual_seed(seed)
        self.patches, self.batch = patches, batch
        self.options: dict[str, Any] = {"latent_dim": 100, "features": features, "channels": 3}
        self.generator = DCGANGenerator(100, features, 3).to(memory_format=torch.channels_last)
        self.discriminator = Discriminator(discriminator_features).to(memory_format=torch.channels_last)
        self.encoder = Encoder().to(memory_format=torch.channels_last)
        for module in [*self.generator.modules(), *self.discriminator.modules(), *self.encoder.modules()]:
            _initialize(module)
        _start_at_mean_color(self.generator, patches)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.opt_g = torch.optim.Adam(self.generator.parameters(), 2e-4, (0.5, 0.99))
        self.opt_d = torch.optim.Adam(self.discriminator.parameters(), 2e-4, (0.5, 0.99))
        self.opt_e = torch.optim.Adam([*self.encoder.parameters(), *self.generator.parameters()], 5e-4, (0.9, 0.99))
        self.random = torch.Generator().manual_seed(seed)
        self.iteration = 0

    def step(self) -> dict[str, float]:
        """One step of the networks; the losses by name."""
        self.generator.train()
        losses: dict[str, float] = {}
        warming = self.iteration < WARM_UP
        if warming or self.iteration % RECONSTRUCT_EVERY == 0:
            losses["reconstruction"] = self._step_autoencoder(WARM_RATE if warming else LATER_RATE)
        if not warming:
            fake = self.generator(self._latents(self.batch))
            losses["discriminator"] = self._step_discriminator(self._real(), fake.detach())
            losses["generator"] = self._step_generator(fake)
        self.iteration += 1
        self._average()
        return losses

    def _step_autoencoder(self, rate: float) -> float:
        """One step of the variational autoencoder: alone at first, a gentle pull beside the adversarial loss later."""
        real = augment(self._real(), self.random)
        mean, log_variance = self.encoder(real)
        latents = mean + torch.randn(mean.shape, generator=self.random) * (log_variance / 2).exp()
        error = (two_views(self.generator(latents)) - two_views(real)).abs().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        self.opt_e.zero_grad(set_to_none=True)
        (RECONSTRUCTION_WEIGHT * error + divergence).backward()
        for group in self.opt_e.param_groups:
            group["lr"] = rate
        self.opt_e.step()
        return float(error.detach())

    def _step_discriminator(self, real: Tensor, fake: Tensor) -> float:
        real, fake = augment(real, self.random), augment(fake, self.random)
        penalize = self.iteration % R1_EVERY == 0
        real.requires_grad_(penalize)
        real_logits, fake_logits = self.discriminator(real), self.discriminator(fake)
        loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        total = loss
        if penalize:
            (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
            total = loss + gradient.square().sum((1, 2, 3)).mean() * (R1_GAMMA / 2 * R1_EVERY) / (DETAIL_GAIN**2)
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
        decay = min(0.996, (1 + self.iteration) / (10 + self.iteration))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
            for mean, now in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                mean.copy_(now)

    def _latents(self, count: int) -> Tensor:
        return torch.randn(count, 100, generator=self.random)

    def _real(self) -> Tensor:
        chosen = torch.randint(0, len(self.patches.train), (self.batch,), generator=self.random).numpy()
        batch = torch.from_numpy(np.ascontiguousarray(self.patches.train[chosen])).permute(0, 3, 1, 2)
        # Eight bits are coarse against washi's contrast: the steps between them must not tell real from generated.
        noise = torch.rand(batch.shape, generator=self.random) - 0.5
        return ((batch + noise) / 255).contiguous(memory_format=torch.channels_last)

    def samples(self, count: int, seed: int = 0) -> NDArray[np.float32]:
        """Pictures of the averaged generator, (count, 64, 64, 3) in [0, 1]; the same latents each time."""
        latents = torch.randn(count, 100, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            pictures = self.average.eval()(latents)
        return pictures.permute(0, 2, 3, 1).contiguous().numpy()

    def finished(self) -> nn.Module:
        """The averaged generator, its normalization statistics measured anew with its own weights."""
        model = copy.deepcopy(self.average)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all that follows
        model.train()
        random = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for _ in range(24):
                model(torch.randn(128, 100, generator=random))
        return model.eval()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, tensors and numbers only."""
        return {
            "generator": self.generator.state_dict(), "discriminator": self.discriminator.state_dict(), "average": self.average.state_dict(),
            "encoder": self.encoder.state_dict(), "opt_e": self.opt_e.state_dict(), "opt_g": self.opt_g.state_dict(), "opt_d": self.opt_d.state_dict(), "random": self.random.get_state(), "iteration": self.iteration,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        for name in ("generator", "discriminator", "encoder", "average", "opt_g", "opt_d", "opt_e"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        self.iteration = int(state["iteration"])


def _start_at_mean_color(generator: DCGANGenerator, patches: Patches) -> None:
    mean = torch.from_numpy(patches.train[:: max(1, len(patches.train) // 2000)].mean((0, 1, 2)) / 255).float()
    last = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)][-1]
    with torch.no_grad():
        last.bias.copy_(torch.atanh((mean * 2 - 1).clamp(-0.98, 0.98)))  # type: ignore[union-attr]


def _initialize(module: nn.Module) -> None:
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
