"""From a trained network to a bundle: the same weights as safetensors and as ONNX, checked against each other."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn

from ..core.errors import WashiError
from ..core.models import ModelInfo, write_bundle

OPSET = 17
AGREEMENT = 1e-3
"""Largest difference that ONNX Runtime's pictures may have from PyTorch's, [0, 1]."""


def weights_bytes(module: nn.Module) -> bytes:
    """The weights as safetensors."""
    return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()})


def onnx_bytes(module: nn.Module, latent_dim: int, inputs: Mapping[str, tuple[Tensor, Sequence[str]]] | None = None) -> bytes:
    """The network as ONNX: "latent" (any number, latent_dim) and further inputs -> "picture" (N, C, H, W), and "groups" where it gives two things.

    Args:
        module: in evaluation mode.
        latent_dim: dimension of the latent.
        inputs: further inputs by the name of `forward`'s parameter, in its order: an example, and a name for each axis
            that may vary ("" for one that may not).

    Raises:
        WashiError: the two disagree by more than `AGREEMENT`.
    """
    further = dict(inputs or {})
    latents = torch.randn(2, latent_dim, generator=torch.Generator().manual_seed(0))
    axes = {"latent": {0: "count"}}
    axes |= {name: {i: axis for i, axis in enumerate(names) if axis} for name, (_, names) in further.items()}
    example = (latents, *(tensor for tensor, _ in further.values()))
    with torch.no_grad():
        outputs = ["picture", "groups"] if isinstance(module(*example), tuple) else ["picture"]
    axes |= {name: {0: "count"} for name in outputs}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # PyTorch's newer exporter needs a package more and gives the same graph for these networks.
        warnings.simplefilter("ignore")
        torch.onnx.export(module, example, buffer, input_names=["latent", *further], output_names=outputs, dynamic_axes=axes, opset_version=OPSET, dynamo=False)
    content = buffer.getvalue()
    difference = _difference(module, content, latents, {name: tensor for name, (tensor, _) in further.items()})
    if not difference <= AGREEMENT:
        raise WashiError(
            f"the exported network differs from the trained one by {difference:.2g}, more than {AGREEMENT}: nothing was written, export again with this PyTorch's newest ONNX packages"
        )
    return content


def _difference(module: nn.Module, content: bytes, latents: Tensor, further: dict[str, Tensor]) -> float:
    session: Any = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    more = latents.new_tensor(np.random.default_rng(1).normal(size=(3, latents.shape[1])))  # another number than it was exported with
    worst = 0.0
    for points in (latents, more):
        with torch.no_grad():
            made = module(points, *further.values())
        ours = made if isinstance(made, tuple) else (made,)
        theirs = session.run(None, {"latent": points.numpy(), **{name: tensor.numpy() for name, tensor in further.items()}})
        worst = max(worst, *(float(np.abs(one.numpy() - other).max()) for one, other in zip(ours, theirs, strict=True)))
    return worst


def sheet_inputs(options: Mapping[str, Any]) -> dict[str, tuple[Tensor, Sequence[str]]]:
    """What a sheet model takes besides latents, as `onnx_bytes` takes it: fields of any size."""
    span = 32 + 2 * int(options["margin"])
    return {"fields": (torch.randn(1, len(options["fields"]), span, span), ("", "", "height", "width"))}


def tile_bytes(tile: NDArray[np.uint8]) -> bytes:
    """A sheet bundle's fibres.png of (4, T, T)."""
    buffer = io.BytesIO()
    Image.fromarray(tile.reshape(-1, tile.shape[2])).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def export_bundle(
    module: nn.Module,
    folder: str | os.PathLike[str],
    description: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
    inputs: Mapping[str, tuple[Tensor, Sequence[str]]] | None = None,
) -> ModelInfo:
    """Write a bundle of a trained generator.

    Args:
        module: the generator, in evaluation mode.
        folder: where; replaced at the end if it is there.
        description: as `write_bundle` takes it.
        files: further files by name: the card, its pictures.
        inputs: what the network takes besides latents, as `onnx_bytes` takes it.

    Raises:
        WashiError: the two forms disagree, a place that can't be written.
    """
    networks = {"generator.safetensors": weights_bytes(module), "generator.onnx": onnx_bytes(module, int(description["latent"]["dim"]), inputs)}
    return write_bundle(Path(folder), description, {**networks, **(files or {})})
