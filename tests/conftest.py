"""Small model bundles that are made in a moment, without PyTorch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from washi_latent.core import ModelInfo, TextureModel, load_model, write_bundle
from washi_latent.core.fields import FIELD_NAMES

DIM, EDGE = 12, 32


def pytest_configure() -> None:
    """Tests that press Ctrl-C must be able to: a shell has what it runs in the background ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def description(**changes: object) -> dict[str, object]:
    """What `model.json` says of the small model."""
    return {
        "title": "A small model",
        "license": "CC0-1.0",
        "architecture": "small",
        "options": {},
        "latent": {"dim": DIM, "prior": "normal"},
        "channels": ["red", "green", "blue"],
        "size": [EDGE, EDGE],
        "tileable": False,
        "millimetres_per_pixel": 0.1,
        **changes,
    }


def _graph(nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], constants: dict[str, np.ndarray]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["count", None, None, None])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def small_network(dim: int = DIM, edge: int = EDGE, channels: int = 3, scale: float = 1.2, width: int | None = None) -> bytes:
    """Smooth waves of a latent's size, squashed: nearby latents look alike."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:edge, : width or edge] / edge
    waves = [np.sin(2 * np.pi * (rng.integers(1, 6) * x + rng.integers(0, 6) * y) + rng.uniform(0, 6, (channels, 1, 1))) for _ in range(dim)]
    weights = (np.stack(waves).reshape(dim, -1) * scale / np.sqrt(dim)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["latent", "weights"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["squashed"]),
        helper.make_node("Reshape", ["squashed", "shape"], ["picture"]),
    ]
    latent = helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["count", dim])
    return _graph(nodes, [latent], {"weights": weights, "shape": np.array([-1, channels, edge, width or edge])})


def sheet_network(dim: int = DIM) -> bytes:
    """A latent-shifted mix of the fields."""
    rng = np.random.default_rng(6)
    mix = rng.normal(0, 0.25, (5, len(FIELD_NAMES), 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["fields", "mix"], ["mixed"]),
        helper.make_node("MatMul", ["latent", "weights"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["shift"]),
        helper.make_node("Add", ["mixed", "shift"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["picture"]),
    ]
    inputs = [
        helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["count", dim]),
        helper.make_tensor_value_info("fields", TensorProto.FLOAT, [1, len(FIELD_NAMES), None, None]),
    ]
    weights = rng.normal(0, 0.5, (dim, 5)).astype(np.float32)
    return _graph(nodes, inputs, {"mix": mix, "weights": weights, "shape": np.array([-1, 5, 1, 1])})


def fibre_tile() -> bytes:
    """Four small tiles of noise as PNG."""
    import io

    from PIL import Image

    tiles = np.random.default_rng(7).normal(128, 24, (512, 128)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(tiles).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return write_bundle(tmp_path_factory.mktemp("models") / "small-64", description(), {"generator.onnx": small_network()})


@pytest.fixture(scope="session")
def model(small_bundle: ModelInfo) -> TextureModel:
    return load_model(small_bundle.folder, threads=1)


@pytest.fixture(scope="session")
def sheet_model(tmp_path_factory: pytest.TempPathFactory) -> TextureModel:
    facts = description(
        architecture="sheet",
        options={"fields": list(FIELD_NAMES), "margin": 1},
        channels=["red", "green", "blue", "height", "opacity"],
        size="any",
        size_multiple=8,
        tileable=True,
    )
    info = write_bundle(tmp_path_factory.mktemp("models") / "small-sheet", facts, {"generator.onnx": sheet_network(), "fibres.png": fibre_tile()})
    return load_model(info.folder, threads=1)


@pytest.fixture
def models_folder(small_bundle: ModelInfo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small model's folder, where commands find it by name."""
    monkeypatch.setenv("WASHI_LATENT_MODELS", str(small_bundle.folder.parent))
    return small_bundle.folder.parent


@pytest.fixture
def both_models(model: TextureModel, sheet_model: TextureModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, and processes that they start, find the small model and the small sheet model by name."""
    monkeypatch.setenv("WASHI_LATENT_MODELS", os.pathsep.join(str(m.info.folder.parent) for m in (model, sheet_model)))


@pytest.fixture
def washi(models_folder: Path) -> Iterator[object]:
    """The extension in a fresh Blender file: the settings of a scene in which nothing was searched yet."""
    bpy = pytest.importorskip("bpy")
    import washi_latent

    bpy.ops.wm.read_factory_settings(use_empty=True)
    washi_latent.register()
    bpy.context.scene.washi.model = "small-64"
    yield bpy.context.scene.washi
    washi_latent.unregister()
    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of three small photographs to learn from."""
    from PIL import Image

    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray((rng.random((90, 100, 3)) * 60 + 60 * i).astype(np.uint8)).save(folder / f"{i}.png")
    return folder
