"""The generator of seamless sheets, in PyTorch. Imported late only, as `networks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .fields import GATE_SOFTNESS, RANKS


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
    paper (a 1x1 convolution whose weights it gives) and scales and shifts every layer after that (FiLM, Perez 2018).
    Convolutions pad with nothing: the caller pads the fields around their border, so that the sheet is as periodic as
    they are, and pieces of a large sheet join exactly.

    Args:
        latent_dim: Z. fields: number of fields. recipe: dimension of a recipe. features: width. channels: 5 (colour, height,
            opacity) or 3. steps: Euler steps of the flow. gates: indices of the fields of single pieces (bark, leaf, metal); with some, the
            recipe's numbers of pieces say up to which rank they show: whole pieces come and go, where a plain mix would let all of them fade.
            ranks: index of the field that holds the rank, for each of these; such fields are the last ones, and aren't mixed.
            quantiles: as `PaperFlow` takes it. pieces: indices of gated fields by what lies in the paper, lowest first; each is laid over
            the paper in a colour of its own, between a pale and a dark one that the recipe gives. Mixed into it alone, gold takes the paper's hue.
            tone: index of the field that says how dark a piece is.
    """

    MARGIN = 3
    """Pixels of fields that are needed around the sheet."""

    gate_number: Tensor
    gate_level: Tensor
    gate_first: Tensor
    gate_pieces: Tensor

    def __init__(
        self,
        latent_dim: int = 100,
        fields: int = 30,
        recipe: int = 33,
        features: int = 32,
        channels: int = 5,
        steps: int = 10,
        gates: Sequence[int] = (),
        ranks: Sequence[int] = (),
        quantiles: int = 0,
        pieces: Sequence[Sequence[int]] = (),
        tone: int = 0,
    ) -> None:
        super().__init__(latent_dim, recipe, steps, quantiles)
        self.gates, self.ranks = list(gates), list(ranks)
        self.fields, self.features = fields - len(set(self.ranks)), features
        fields = self.fields
        if self.gates:
            self.register_buffer("gate_number", torch.zeros(len(self.gates), recipe))
            self.register_buffer("gate_level", torch.zeros(len(self.gates)))
            self.register_buffer("gate_first", torch.zeros(len(self.gates)))
            self.register_buffer("gate_pieces", torch.ones(len(self.gates)))
        self.mapping = nn.Sequential(nn.Linear(recipe, 192), nn.LeakyReLU(0.2), nn.Linear(192, 192), nn.LeakyReLU(0.2))
        self.mix = nn.Linear(192, features * (fields + 1))
        self.convolutions = nn.ModuleList(nn.Conv2d(features, features, 3) for _ in range(self.MARGIN))
        self.styles = nn.ModuleList(nn.Linear(192, features * 2) for _ in range(self.MARGIN + 1))
        self.join = nn.Conv2d(features, features, 1)
        self.out = nn.Conv2d(features, channels, 1)
        self.base = nn.Linear(192, channels)
        self.pieces, self.tone = [[self.gates.index(field) for field in fields] for fields in pieces], tone
        if self.pieces:
            self.veil = nn.Conv2d(features, len(self.pieces), 1)
            # Of the recipe alone, not of its style: what is learned for one paper must hold for all.
            self.paint = nn.Sequential(nn.Linear(recipe, 16), nn.ReLU(), nn.Linear(16, len(self.pieces) * 2 * (channels - (channels > 3))))

    def forward(self, latent: Tensor, fields: Tensor) -> Tensor:
        """(N, Z) and (1 or N, F, H + 6, W + 6) -> (N, C, H, W) in [0, 1]."""
        return self.compose(self.recipe(latent), fields)

    def compose(self, recipe: Tensor, fields: Tensor) -> Tensor:
        """(N, R) and (1 or N, F, H + 6, W + 6) -> (N, C, H, W) in [0, 1]."""
        style = self.mapping(recipe)
        weights = self.mix(style).view(-1, self.features, self.fields + 1)
        mixed = weights[:, :, :-1] @ fields[:, : self.fields].flatten(2) + weights[:, :, -1:]
        if self.gates:
            hidden = self._hidden(recipe, fields)
            mixed = mixed - weights[:, :, self.gates] @ hidden.flatten(2)
        x = F.leaky_relu(mixed.view(-1, self.features, fields.shape[2], fields.shape[3]), 0.2)
        for convolution, change in zip([*self.convolutions, self.join], self.styles, strict=True):
            scale, shift = change(style)[:, :, None, None].chunk(2, 1)
            x = F.silu(convolution(x) * (1 + scale) + shift)
        paper = torch.sigmoid(self.out(x) + self.base(style)[:, :, None, None])
        if not self.pieces:
            return paper
        inside = slice(self.MARGIN, -self.MARGIN)
        return self._laid_over(paper, (fields[:, self.gates] - hidden)[..., inside, inside], fields[:, self.tone : self.tone + 1, inside, inside], x, recipe)

    def _laid_over(self, paper: Tensor, shown: Tensor, tone: Tensor, x: Tensor, recipe: Tensor) -> Tensor:
        """The paper (N, C, H, W) and over it its pieces: their colour and opacity; their height is the paper's matter."""
        seen = torch.cat([paper[:, :3], paper[:, 4:]], 1)
        veils = torch.sigmoid(self.veil(x))
        paints = torch.sigmoid(self.paint(recipe)).view(-1, len(self.pieces), 2, seen.shape[1])[..., None, None]
        for i, fields in enumerate(self.pieces):
            cover = shown[:, fields[0] : fields[0] + 1]
            for field in fields[1:]:
                cover = torch.maximum(cover, shown[:, field : field + 1])
            color = paints[:, i, 0] + (paints[:, i, 1] - paints[:, i, 0]) * tone
            seen = seen + (color - seen) * (cover * veils[:, i : i + 1])
        return torch.cat([seen[:, :3], paper[:, 3:4], seen[:, 3:]], 1)

    def _hidden(self, recipe: Tensor, fields: Tensor) -> Tensor:
        """What the gates take away of their fields: (N, G, H, W). The recipe's numbers of pieces are log(1 + 4 n), standardized."""
        number = (torch.exp(recipe @ self.gate_number.T + self.gate_level) - 1) / 4  # ONNX has no expm1
        share = ((number - self.gate_first) / self.gate_pieces).clamp(0, 1)[:, :, None, None]
        ranks = fields[:, self.ranks].clamp_min(1e-3)
        shown = ((share * (1 + GATE_SOFTNESS / 2) / ranks - 1) / GATE_SOFTNESS + 0.5).clamp(0, 1)
        return fields[:, self.gates] * (1 - shown)


def build(options: dict[str, Any]) -> nn.Module:
    """The untrained generator of a bundle's options."""
    numbers = {name: int(options[name]) for name in ("latent_dim", "recipe", "features", "channels", "steps", "quantiles") if name in options}
    gates, ranks = ([options["fields"].index(name) for name in names] for names in (options.get("gates", ()), map(RANKS.get, options.get("gates", ()))))
    pieces = [[options["fields"].index(name) for name in names] for names in options.get("pieces", ())]
    return SheetGenerator(
        fields=len(options["fields"]), gates=gates, ranks=ranks, pieces=pieces, tone=options["fields"].index("tone") if pieces else 0, **numbers
    )
