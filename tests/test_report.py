"""The pictures of a model's report."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from washi_latent.report import _Map


@pytest.mark.parametrize("name", ["", "ai", "a kind of paper with a long name"])
def test_what_lies_at_a_maps_edge_lies_inside_it(name: str) -> None:
    sheet = _Map(600, 400)
    for corner in itertools.product((0.0, 1.0), repeat=2):
        assert sheet.put(np.array(corner), np.zeros((60, 60, 3), np.float32), name)
    picture = sheet.picture()
    rim = np.concatenate([picture[[0, -1]].reshape(-1, 3), picture[:, [0, -1]].reshape(-1, 3)])
    assert (rim == picture[200, 300]).all()
    assert ((picture == 0).all(-1)).sum() >= 4 * 60 * 60
    assert not sheet.put(np.array([0.0, 0.0]), np.zeros((60, 60, 3), np.float32))
