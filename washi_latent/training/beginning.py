"""Sheet models whose weights a training begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ..core.errors import WashiError
from ..core.models import ModelInfo, read_file
from ..core.sheet_network import SheetGenerator


@dataclass(frozen=True, eq=False)
class Beginning:
    """A sheet model and its weights by name, as they were when it was read."""

    info: ModelInfo
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, info: ModelInfo) -> Beginning:
        """Read a model's weights.

        Raises:
            WashiError: they can't be read, or were altered.
        """
        try:
            return cls(info, load(read_file(info, "generator.safetensors")))
        except SafetensorError as error:
            raise WashiError(f"the weights of the model {info.name} can't be read: begin with another model, or with none") from error

    def composes_as(self, shape: Mapping[str, Any]) -> bool:
        """Whether its composing network is of this shape, by the names that a bundle's options have."""
        return all(self.info.options.get(name) == value for name, value in shape.items())

    def arranged(self, generator: SheetGenerator) -> dict[str, Tensor]:
        """Its weights, of a network that composes as the generator does, its mix in the order of the generator's fields: one that it lacks begins at nothing.

        Raises:
            WashiError: they are not those of the network that its description says.
        """
        given, weights = list(self.info.options.get("fields", ())), dict(self.weights)
        for name, columns in (("mix.weight", generator.mix.in_features), ("mix.bias", 1)):
            if name not in weights or weights[name].numel() != generator.features * (len(given) + 1) * columns:
                raise WashiError(f"the weights of the model {self.info.name} are not those of the network that it describes: begin with another, or with none")
            old = weights[name].reshape(generator.features, len(given) + 1, columns)
            new = torch.zeros(generator.features, len(generator.fields) + 1, columns)
            for position, field in enumerate(generator.fields):
                if field in given:
                    new[:, position] = old[:, given.index(field)]
            new[:, -1] = old[:, -1]
            weights[name] = new.view(generator.state_dict()[name].shape)
        return weights
