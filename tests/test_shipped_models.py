"""The models that ship: whole, alike on both backends, and good for what the engine promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from washi_latent.core import Search, TextureModel, interpolate, load_model, read_kinds, verify

MODELS = Path(__file__).parents[1] / "models"
NAMES = ("washi-dcgan-64", "washi-sheet")


@pytest.fixture(params=NAMES)
def shipped(request: pytest.FixtureRequest) -> TextureModel:
    return load_model(MODELS / request.param)


@pytest.mark.parametrize("name", NAMES)
def test_bundles_are_whole_and_small(name: str) -> None:
    info = verify(MODELS / name)
    assert info.name == name
    assert info.license == "CC0-1.0"
    assert sum(size for _, size in info.files.values()) < 25e6
    assert {"generator.onnx", "generator.safetensors", "README.md", "preview.png"} <= set(info.files)
    assert "simulation" in (info.folder / "README.md").read_text(encoding="utf-8")
    assert info.evaluation


@pytest.mark.parametrize("name", NAMES)
def test_both_backends_give_the_same_pictures(name: str) -> None:
    pytest.importorskip("torch")
    latents = np.random.default_rng(0).normal(size=(3, 100))
    size = None if name.endswith("64") else 64
    a, b = (load_model(MODELS / name, backend).generate(latents, size, seed=2) for backend in ("onnx", "torch"))  # type: ignore[arg-type]
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_a_search_shows_different_textures(shipped: TextureModel) -> None:
    search = Search(shipped, seed=1, size=64)
    candidates = search.sample()
    assert len(candidates.representatives.indices) == 12
    shown = candidates.images[candidates.representatives.indices]
    colours = shown[..., :3].mean((1, 2))
    assert np.linalg.norm(colours[:, None] - colours[None], axis=-1).max() > 0.1


def test_kinds_look_as_they_are_named() -> None:
    model = load_model(MODELS / "washi-sheet")
    kinds = {kind.name: kind for kind in read_kinds(model.info)}
    if not kinds:
        pytest.skip("this bundle names no kinds")
    pictures = {name: model.generate(kind.examples, 256) for name, kind in kinds.items()}
    mean = {name: sheets.mean((0, 1, 2)).astype(float) for name, sheets in pictures.items()}
    for name, weights in {"ai": (-1, 0, 1), "kihada": (1, 1, -2), "bengara": (1, -1, 0), "sumi": (-1, -1, -1), "bleached": (1, 1, 1)}.items():
        assert max(mean, key=lambda one: float(mean[one][:3] @ weights)) == name
    assert mean["tengujo"][4] < mean["kozo"][4]
    uneven = {name: float(sheets[..., 0].std((1, 2)).mean()) for name, sheets in pictures.items()}
    relief = {name: float(sheets[..., 3].std((1, 2)).mean()) for name, sheets in pictures.items()}
    assert min(uneven["chiri"], uneven["leaf"], uneven["rakusui"], uneven["kirihaku"]) > 1.5 * uneven["kozo"]
    assert relief["momigami"] > relief["kozo"]
    assert 1 < sum(kind.share for kind in kinds.values()) < 3


def measure(model: TextureModel, pairs: int) -> tuple[list[float], int, list[float]]:
    """Residuals of "similarity", how many of its textures are off without being flagged, neighbour ratios of "even"."""
    rng = np.random.default_rng(0)
    size = None if model.info.size else 64
    residuals: list[float] = []
    silent, ratios = 0, []
    for _ in range(pairs):
        a, b = rng.normal(size=(2, model.latent_dim))
        by_similarity = interpolate(model, a, b, 10, "similarity", size=size)
        inner = np.abs(by_similarity.residuals[1:-1])
        residuals += inner.tolist()
        silent += sum(r > 0.005 and s == "ok" for r, s in zip(inner, by_similarity.status[1:-1], strict=True))
        even = interpolate(model, a, b, 10, "even", size=size)
        for sequence in (by_similarity, even):
            assert (np.diff(sequence.positions) > 0).all()
        ratios.append(even.metrics.neighbour_step_ratio)
    return residuals, silent, ratios


def check(residuals: list[float], silent: int, ratios: list[float]) -> None:
    assert np.quantile(residuals, 0.95) <= 0.005
    assert silent == 0
    assert np.median(ratios) <= 1.1


def test_sequences_keep_their_bars_on_a_few_pairs() -> None:
    check(*measure(load_model(MODELS / "washi-dcgan-64"), 4))


@pytest.mark.slow
def test_sequences_keep_their_bars_on_forty_pairs(shipped: TextureModel) -> None:
    check(*measure(shipped, 40))


@pytest.mark.slow
def test_sheets_tile_at_a_hundred_seeds() -> None:
    model = load_model(MODELS / "washi-sheet")
    rng = np.random.default_rng(1)
    across = inside = 0.0
    for seed in range(100):
        sheet = model.generate(rng.normal(size=model.latent_dim), 256, seed=seed)[0]
        for axis in (0, 1):
            step = np.abs(np.roll(sheet, -1, axis) - sheet)
            across += np.take(step, -1, axis).mean()
            inside += np.delete(step, -1, axis).mean()
    assert across / inside == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_all_five_figures_are_drawn(tmp_path: Path) -> None:
    from washi_latent.figures import draw_figures

    files = draw_figures(str(MODELS / "washi-dcgan-64"), tmp_path)
    assert [f.name for f in files] == [f"figure-{i}.png" for i in range(1, 6)]
    assert all(f.stat().st_size > 20_000 for f in files)
