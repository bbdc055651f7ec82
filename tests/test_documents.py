"""What the documents show works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from washi_latent.core import Search, load_model, write_session
from washi_latent.core.recipe_reading import read_recipe

ROOT = Path(__file__).resolve().parent.parent


def shown(document: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_recipe_of_the_document_is_one(tmp_path: Path) -> None:
    search = Search(load_model("washi-sheet", threads=1))
    search.keep("moss", np.ones(100))
    search.keep("bark", -np.ones(100))
    (tmp_path / "search").mkdir()
    write_session(tmp_path / "search" / "session.json", search)
    (tmp_path / "recipe.toml").write_text(shown("docs/export.md", "toml"), encoding="utf-8")
    recipe = read_recipe(tmp_path / "recipe.toml")
    assert [points.labels for points in recipe.points] == [("moss", "bark")]
    assert len(list(recipe.uses())) == 4


@pytest.mark.slow
def test_the_readmes_example_runs() -> None:
    names: dict[str, object] = {}
    exec(shown("README.md", "python"), names)
    assert np.shape(names["sheet"]) == (1024, 1024, 5)
