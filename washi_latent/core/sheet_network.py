"""The generator of seamless sheets, in PyTorch. Imported late only, as `networks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import WashiError
from .fields import GATE_SOFTNESS, METAL_TONES, RANKS


class PaperFlow(nn.Module):
    """Latents to *recipes*, papers described by numbers: a flow that carries the normal distribution to that of papers.

    A rectified flow (Liu 2023, Lipman 2023); a fixed projection brings the latent to the recipe's dimension, so that every
    direction of the latent matters. What it makes may be the recipe itself, or its *normal scores* (Klein, Nelsen): every number
    by its rank, as a normal variable, which quantile functions then turn into what it stands for. So each number has just
    the distribution that it has among papers, and what few papers have (drops, folds, gold) grows from nothing over a
    stretch of latent space, where a flow of the numbers themselves leaps.

    Args:
        latent_dim: Z. recipe: R. steps: Euler steps of the flow. quantiles: knots of the quantile functions; 0: no scores.
    """

    projection: Tensor
    knots: Tensor
    quantiles: Tensor
    dye_level: Tensor
    dye_deviation: Tensor

    def __init__(self, latent_dim: int, recipe: int, steps: int, quantiles: int = 0) -> None:
        super().__init__()
        self.steps, self.recipe_size = steps, recipe
        scores = recipe - 1 if quantiles else recipe  # one for the depth of a dye and one for its hue, in place of three absorptions
        self.register_buffer("projection", torch.eye(latent_dim, scores))
        self.scored = bool(quantiles)
        if quantiles:
            self.register_buffer("knots", torch.linspace(-3.2, 3.2, quantiles))
            self.register_buffer("quantiles", torch.zeros(recipe + 1, quantiles))
            self.register_buffer("dye_level", torch.zeros(3))
            self.register_buffer("dye_deviation", torch.ones(3))
        self.velocity = nn.Sequential(
            nn.Linear(scores + 1, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, scores)
        )

    def recipe(self, latent: Tensor) -> Tensor:
        """(N, Z) -> (N, R)."""
        x = latent @ self.projection
        for step in range(self.steps):
            time = torch.full_like(x[:, :1], (step + 0.5) / self.steps)
            x = x + self.velocity(torch.cat([x, time], 1)) / self.steps
        return self.numbers(x) if self.scored else x

    def numbers(self, scores: Tensor) -> Tensor:
        """Normal scores (N, R - 1) to recipes (N, R): piecewise linear quantile functions, then a dye's absorption by its depth."""
        scores = torch.cat([scores, scores[:, -1:], scores[:, -1:]], 1)  # a hue is three absorptions
        rise = ((scores[:, :, None] - self.knots[:-1]) / (self.knots[1:] - self.knots[:-1])).clamp(0, 1)
        values = self.quantiles[:, 0] + (rise * (self.quantiles[:, 1:] - self.quantiles[:, :-1])).sum(2)
        absorption = torch.log(1 + 4 * values[:, -4:-3] * values[:, -3:])
        return torch.cat([values[:, :-4], (absorption - self.dye_level) / self.dye_deviation], 1)


class SheetGenerator(PaperFlow):
    """Composes fields of fibres, clouds and marks into paper, at full resolution, any size.

    A latent becomes a *recipe* (what paper: grammage, dye, strands, bark ...) by `PaperFlow`. The recipe mixes the fields anew for every
    paper (a 1x1 convolution whose weights it gives) and scales and shifts what enters every layer after that (FiLM, Perez 2018).
    Convolutions pad with nothing: the caller pads the fields around their border, so that the sheet is as periodic as
    they are, and pieces of a large sheet join exactly.

    What many papers have nothing of (strands, drops, metal) comes in *groups* of fields: a recipe that asks for nothing of a group sees none
    of its fields, exactly, so that they need not be drawn. Bark, leaf and metal come in single *pieces*: their numbers in the recipe say up
    to which rank they show, so that whole pieces come and go, where a plain mix would let all of them fade. They are laid over the paper in colours of their own,
    as light adds up, between a pale and a dark one that the recipe gives: mixed into it alone, gold takes the paper's hue.

    Args:
        latent_dim: Z. fields: names of the fields. recipe: dimension of a recipe. features: width. channels: 5 (colour, height, opacity) or 3.
            steps: Euler steps of the flow. quantiles: as `PaperFlow` takes it.
        layers: of the network, first to last: "c3" is a 3x3 convolution, "d5" one of 5x5 for each feature alone and then one
            of 1x1; other odd sizes as well.
        gates: fields of single pieces. pieces: which of them are of bark, of leaf, of metal: in the order in which they lie, lowest first.
        groups: fields that aren't always needed, by group.

    Attributes:
        margin: pixels of fields that are needed around the sheet.
    """

    gate_number: Tensor
    gate_level: Tensor
    gate_first: Tensor
    gate_pieces: Tensor
    gate_groups: Tensor
    group_number: Tensor
    group_level: Tensor
    group_fields: Tensor
    mixed_fields: Tensor

    def __init__(
        self,
        latent_dim: int,
        fields: Sequence[str],
        recipe: int,
        layers: Sequence[str],
        features: int = 32,
        channels: int = 5,
        steps: int = 10,
        quantiles: int = 0,
        gates: Sequence[str] = (),
        pieces: Sequence[Sequence[str]] = (),
        groups: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__(latent_dim, recipe, steps, quantiles)
        self.features, self.channels, self.fields, self.layers = features, channels, list(fields), list(layers)
        self.gates, self.pieces, self.groups = list(gates), [list(own) for own in pieces], [list(own) for own in groups]
        self._gated, self._ranks = [self.fields.index(name) for name in gates], [self.fields.index(RANKS[name]) for name in gates]
        tone = {"tone"} if pieces else set()
        members = torch.tensor([[float(name in own) for name in fields] for own in groups]).view(len(groups), len(fields))
        unmixed = torch.tensor([float(name in tone or name in {RANKS[gate] for gate in gates}) for name in fields])
        grouped = members.sum(0)
        self.register_buffer("group_fields", members * (1 - unmixed), persistent=False)
        self.register_buffer("mixed_fields", (1 - unmixed) * (1 - grouped), persistent=False)
        if groups:
            self.register_buffer("group_number", torch.zeros(len(groups), recipe))
            self.register_buffer("group_level", torch.zeros(len(groups)))
        if gates:
            self.register_buffer("gate_number", torch.zeros(len(gates), recipe))
            self.register_buffer("gate_level", torch.zeros(len(gates)))
            self.register_buffer("gate_first", torch.zeros(len(gates)))
            self.register_buffer("gate_pieces", torch.ones(len(gates)))
            self.register_buffer("gate_groups", members[:, self._gated], persistent=False)
        self.mapping = nn.Sequential(nn.Linear(recipe, 192), nn.LeakyReLU(0.2), nn.Linear(192, 192), nn.LeakyReLU(0.2))
        self.mix = nn.Linear(192, features * (len(fields) + 1))
        with torch.no_grad():
            self.mix.weight.view(features, len(fields) + 1, 192)[:, :-1].mul_(1 - unmixed[:, None])
            self.mix.bias.view(features, len(fields) + 1)[:, :-1].mul_(1 - unmixed)
        self.convolutions = nn.ModuleList(_layer(kind, features) for kind in layers)
        self.styles = nn.ModuleList(nn.Linear(192, features * 2) for _ in layers)
        self.margin = sum(int(kind[1:]) // 2 for kind in layers)
        self.out = nn.Conv2d(features, channels + len(pieces), 1)
        self.base = nn.Linear(192, channels)
        if pieces:
            # Of the recipe alone, not of its style: what is learned for one paper must hold for all.
            self.paint = nn.Sequential(nn.Linear(recipe, 16), nn.ReLU(), nn.Linear(16, len(pieces) * 2 * (channels - (channels > 3))))

    def forward(self, latent: Tensor, fields: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, Z) and (1 or N, F, H + 2 margin, W + 2 margin) -> (N, C, H, W) in [0, 1]; with groups, also what of each is there, (N, G) in [0, 1]."""
        recipe = self.recipe(latent)
        groups = self.shown_groups(recipe)
        sheets = self._composed(recipe, fields, groups)
        return (sheets, groups) if self.groups else sheets

    def compose(self, recipe: Tensor, fields: Tensor) -> Tensor:
        """(N, R) and (1 or N, F, H + 2 margin, W + 2 margin) -> (N, C, H, W) in [0, 1]."""
        return self._composed(recipe, fields, self.shown_groups(recipe))

    def _composed(self, recipe: Tensor, fields: Tensor, groups: Tensor) -> Tensor:
        style = self.mapping(recipe)
        weights = self.mix(style).view(-1, self.features, len(self.fields) + 1)
        own, flat = weights[:, :, :-1] * self._mixed(groups)[:, None], fields.flatten(2)
        if self.gates:
            shown = self._shown(recipe, fields, groups)
            gated = own[:, :, self._gated]
            own = own * (1 - torch.eye(len(self.fields), device=own.device)[self._gated].sum(0))
            x = own @ flat + gated @ shown.flatten(2) + weights[:, :, -1:]
        else:
            x = own @ flat + weights[:, :, -1:]
        x = F.leaky_relu(x.view(-1, self.features, fields.shape[2], fields.shape[3]), 0.2)
        for convolution, change in zip(self.convolutions, self.styles, strict=True):
            scale, shift = change(style)[:, :, None, None].chunk(2, 1)
            x = F.leaky_relu(convolution(x * (1 + scale) + shift), 0.2)
        made = torch.sigmoid(self.out(x) + F.pad(self.base(style), (0, len(self.pieces)))[:, :, None, None])
        if not self.pieces:
            return made
        inside = slice(self.margin, -self.margin or None)
        return self._laid_over(made[:, : self.channels], made[:, self.channels :], shown[..., inside, inside], fields[..., inside, inside], recipe)

    def shown_groups(self, recipe: Tensor) -> Tensor:
        """What of each group is there, (N, G) in [0, 1]; exactly 0 where the recipe (N, R) asks for nothing of it. Without groups, (N, 0)."""
        if not self.groups:
            return recipe[:, :0]
        return ((recipe @ self.group_number.T + self.group_level - _NOTHING) / _SOMETHING).clamp(0, 1)

    def _mixed(self, groups: Tensor) -> Tensor:
        """(N, F) or (1, F): how much of each field is mixed."""
        return self.mixed_fields + groups @ self.group_fields if self.groups else self.mixed_fields[None]

    def _laid_over(self, paper: Tensor, veils: Tensor, shown: Tensor, fields: Tensor, recipe: Tensor) -> Tensor:
        """The paper (N, C, H, W) and over it its pieces: their colour and opacity; their height is the paper's matter."""
        # Light adds up, not what it is encoded as: a square is near enough.
        seen = torch.cat([paper[:, :3].square(), paper[:, 4:]], 1)
        paints = torch.sigmoid(self.paint(recipe)).view(-1, len(self.pieces), 2, seen.shape[1])
        paints = torch.cat([paints[..., :3].square(), paints[..., 3:]], -1)[..., None, None]
        for i, names in enumerate(self.pieces):
            first, *others = (self.gates.index(name) for name in names)
            cover = shown[:, first : first + 1]
            for gate in others:
                cover = torch.maximum(cover, shown[:, gate : gate + 1])
            color = paints[:, i, 0] + (paints[:, i, 1] - paints[:, i, 0]) * self._tone(fields, names[0])
            seen = seen + (color - seen) * (cover * veils[:, i : i + 1])
        return torch.cat([seen[:, :3].sqrt(), paper[:, 3:4], seen[:, 3:]], 1)

    def _tone(self, fields: Tensor, gate: str) -> Tensor:
        """How dark a piece is, [0, 1], (1 or N, 1, H, W)."""
        if RANKS[gate] == "rank":
            i = self.fields.index("tone")
            return fields[:, i : i + 1]
        i = self.fields.index(RANKS[gate])
        turns = fields[:, i : i + 1] * METAL_TONES
        return turns - turns.floor()

    def _shown(self, recipe: Tensor, fields: Tensor, groups: Tensor) -> Tensor:
        """What the gates let through of their fields: (N, K, H, W). The recipe's numbers of pieces are log(1 + 4 n), standardized."""
        number = (torch.exp(recipe @ self.gate_number.T + self.gate_level) - 1) / 4  # ONNX has no expm1
        share = ((number - self.gate_first) / self.gate_pieces).clamp(0, 1)
        if self.groups:
            share = share * (1 - self.gate_groups.sum(0) + groups @ self.gate_groups)
        ranks = fields[:, self._ranks].clamp_min(1e-3)
        shown = ((share[:, :, None, None] * (1 + GATE_SOFTNESS / 2) / ranks - 1) / GATE_SOFTNESS + 0.5).clamp(0, 1)
        return fields[:, self._gated] * shown


_NOTHING, _SOMETHING = 1e-3, 0.02
"""What a group's number must exceed to be more than rounding, and from where on all of it is there."""


def _layer(kind: str, features: int) -> nn.Module:
    size = int(kind[1:])
    if kind[0] == "c":
        return nn.Conv2d(features, features, size)
    each = nn.Conv2d(features, features, size, groups=features)
    with torch.no_grad():  # begins as what it is given, nearly: of 25 random weights, one in a hundred would be of use
        each.weight.mul_(0.3)
        each.weight[:, :, size // 2, size // 2] += 1
    return nn.Sequential(each, nn.Conv2d(features, features, 1))


_MOST_STEPS = 1000


def build(options: dict[str, Any]) -> SheetGenerator:
    """The untrained generator of a bundle's options.

    Raises:
        WashiError: those of an earlier version's network.
        ValueError: a flow without steps, or of absurdly many.
    """
    names = ("latent_dim", "fields", "recipe", "layers", "features", "channels", "steps", "quantiles", "gates", "pieces", "groups")
    chosen = {name: options[name] for name in names if name in options}
    if "layers" not in chosen:
        raise WashiError("this sheet model has a network of an earlier version, which PyTorch can't run any more: use the backend onnx, or train it anew")
    if type(chosen.get("steps", 1)) is not int or not 1 <= chosen.get("steps", 1) <= _MOST_STEPS:
        raise ValueError(f"a flow of {chosen['steps']!r} steps")
    if isinstance(chosen.get("groups"), dict):
        chosen["groups"] = list(chosen["groups"].values())
    return SheetGenerator(**chosen)
