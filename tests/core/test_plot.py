"""The plot of a sequence, drawn without a plotting library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from washi_latent.core import TextureModel, interpolate, similarity_plot
from washi_latent.core.plot import FLAG, POSITION, SIMILARITY


@pytest.fixture(scope="module")
def sequence(model: TextureModel):
    rng = np.random.default_rng(0)
    return interpolate(model, rng.standard_normal(12), rng.standard_normal(12), 5, "similarity")


def near(plot: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns between the axes that show a colour."""
    found = np.argwhere(np.abs(plot * 255 - color).max(-1) < 12)
    return found[(found[:, 1] > 66) & (found[:, 1] < 464)]


def test_it_shows_every_texture_s_similarity_at_its_height(sequence) -> None:
    plot = similarity_plot(sequence, 512)
    assert plot.shape == (512, 512, 3)
    assert 0 <= plot.min() <= plot.max() <= 1
    places = near(plot, SIMILARITY)
    columns = np.linspace(places[:, 1].min(), places[:, 1].max(), len(sequence.positions))
    heights = [places[np.abs(places[:, 1] - x) < 4, 0].mean() for x in columns]
    # A straight line from similarity to height: the axis has a linear scale.
    assert np.corrcoef(heights, sequence.similarities)[0, 1] < -0.999


def test_the_first_texture_lies_left_and_the_textures_below(sequence) -> None:
    plot = similarity_plot(sequence, 512)
    triangles = near(plot, POSITION)
    assert triangles[np.argmin(triangles[:, 1]), 0] > triangles[np.argmax(triangles[:, 1]), 0], "positions rise from left to right"
    strip = plot[-30:, 70:500]
    assert strip.std() > 0.05


def test_flagged_textures_are_ringed(sequence) -> None:
    assert len(near(similarity_plot(sequence), FLAG)) == 0
    flagged = replace(sequence, status=("ok", "outside its similarity interval", *sequence.status[2:]))
    assert len(near(similarity_plot(flagged), FLAG)) > 20


def test_numbers_of_ends_that_are_alike_have_room(sequence) -> None:
    alike = replace(sequence, similarities=1 - (1 - sequence.similarities) * 1e-5)
    margin = similarity_plot(alike, 512)[:, :2] * 255
    assert np.abs(margin - margin[0, 0]).max() < 12, "a number runs out of the picture"
