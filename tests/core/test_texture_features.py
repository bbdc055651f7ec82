"""Texture features: what they must ignore, and what they must see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from washi_latent.core import WashiError, texture_features
from washi_latent.core.texture_features import GROUPS


def noise(seed: int, blur: float = 1.0, count: int = 1, edge: int = 64) -> np.ndarray:
    """Periodic coloured noise, (count, edge, edge, 3) in [0, 1]."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(edge), np.fft.fftfreq(edge)))
    spectrum = np.fft.fft2(rng.normal(size=(count, 3, edge, edge))) * np.exp(-((frequency * edge / 16 * blur) ** 2))
    field = np.moveaxis(np.fft.ifft2(spectrum).real, 1, -1)
    return (0.5 + 0.1 * field / field.std((1, 2, 3), keepdims=True)).clip(0, 1).astype(np.float32)


def group(name: str) -> slice:
    names = list(GROUPS)
    first = sum(GROUPS[n] for n in names[: names.index(name)])
    return slice(first, first + GROUPS[name])


def test_a_shift_changes_less_than_another_texture_does() -> None:
    one = noise(0)
    moved = np.roll(one, (5, 9), (1, 2))
    coarser = noise(1, blur=2.0)
    a, b, c = (texture_features(x)[0] for x in (one, moved, coarser))
    assert np.linalg.norm(a - b) < 0.1 * np.linalg.norm(a - c)


def test_each_group_sees_what_it_is_named_for() -> None:
    plain = noise(3)
    red = plain.copy()
    red[..., 0] = (red[..., 0] + 0.2).clip(0, 1)
    faint = 0.5 + (plain - 0.5) * 0.3
    lines = plain + 0.2 * np.sin(np.arange(64) * np.pi / 4)[None, None, :, None]
    speckled = plain.copy()
    speckled[:, ::16, ::16] = 0
    before = texture_features(plain)[0]
    changes = {name: np.abs(texture_features(x.astype(np.float32))[0] - before) for name, x in (("red", red), ("faint", faint), ("lines", lines))}
    assert changes["red"][group("color")][1] > 0.05
    np.testing.assert_allclose(changes["faint"][group("contrast")], -np.log(0.3), atol=0.02)
    assert changes["lines"][group("direction")].max() > 0.3
    assert texture_features(speckled)[0, group("marks")][0] < before[group("marks")][0] - 0.3


def test_faint_contrast_is_measured_as_well() -> None:
    """Paper is nearly one colour: what single precision loses of its mean must not count as lopsided."""
    picture = 0.93 + 0.002 * np.random.default_rng(3).gamma(2.0, size=(3, 64, 64, 1))
    values = np.asarray(picture, np.float32).astype(np.float64).reshape(3, -1)
    lopsided = texture_features(np.repeat(picture, 3, -1))[:, -2]
    np.testing.assert_allclose(lopsided, np.arcsinh(skew(values, 1) * (values.var(1) / (values.var(1) + 1e-7)) ** 1.5), atol=2e-4)


def test_sizes_channels_and_refusals() -> None:
    assert texture_features(np.zeros((2, 64, 48, 5))).shape == (2, sum(GROUPS.values()))
    assert np.isfinite(texture_features(np.full((1, 16, 16, 1), 0.5))).all()
    gray = noise(5)[..., :1]
    np.testing.assert_allclose(texture_features(gray), texture_features(np.repeat(gray, 3, -1)))
    for wrong in (np.zeros((64, 64, 3)), np.zeros((1, 8, 64, 3))):
        with pytest.raises(WashiError):
            texture_features(wrong)
