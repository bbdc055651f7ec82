"""Directions that are kept in a file: the same again, and never those of another model or of a broken file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from washi_latent.core import Direction, TextureModel, named_directions
from washi_latent.core.direction_cache import cached_directions, find_directions


class Counted:
    """A model that counts the pictures that it makes."""

    def __init__(self, model: TextureModel) -> None:
        self.info, self.latent_dim = model.info, model.latent_dim
        self._model, self.made = model, 0

    def generate(self, latents: Any, *others: Any) -> Any:
        """As `TextureModel.generate`."""
        self.made += len(latents)
        return self._model.generate(latents, *others)


def same(one: tuple[Direction, ...], other: tuple[Direction, ...]) -> bool:
    return len(one) == len(other) and all(
        (a.name, a.agreement, a.change) == (b.name, b.agreement, b.change) and np.array_equal(a.vector, b.vector) for a, b in zip(one, other, strict=True)
    )


def test_directions_are_found_once(model: TextureModel, tmp_path: Path) -> None:
    counted, folder = Counted(model), tmp_path / "not" / "yet"
    assert cached_directions(model.info, folder) is None
    found = find_directions(counted, folder)
    assert found
    assert same(found, named_directions(model))
    made = counted.made
    assert made
    assert same(find_directions(counted, folder), found)
    assert counted.made == made, "the second time they are read"


def test_another_model_of_that_name_is_measured_anew(model: TextureModel, tmp_path: Path) -> None:
    find_directions(model, tmp_path)
    name, (_, size) = next(iter(model.info.files.items()))
    assert cached_directions(replace(model.info, files={name: ("0" * 64, size)}), tmp_path) is None
    assert cached_directions(model.info, tmp_path) is not None


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b" " * (5 << 20)),
        edited(lambda value: value["directions"][0].pop("vector")),
        edited(lambda value: value["directions"][0]["vector"].append(0)),
        edited(lambda value: value["directions"][0].update(vector=[float("nan")] * 12)),
        edited(lambda value: value["directions"][0].update(vector=[10**400] * 12)),
        edited(lambda value: value["directions"][0].update(vector="up")),
        edited(lambda value: value["directions"][0].update(name="nothing known")),
        edited(lambda value: value["directions"][0].update(change=float("inf"))),
        edited(lambda value: value.update(directions=7)),
    ],
)
def test_a_broken_file_is_found_anew_and_replaced(model: TextureModel, tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    found = find_directions(model, tmp_path)
    (path,) = tmp_path.iterdir()
    spoil(path)
    assert cached_directions(model.info, tmp_path) is None
    assert same(find_directions(model, tmp_path), found)
    assert same(cached_directions(model.info, tmp_path) or (), found)
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_costs_nothing_but_time(model: TextureModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert find_directions(model, tmp_path / "file")
