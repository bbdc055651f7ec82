"""Recipes: every mistake with its line, names that can't collide or lead out, points where the recipe says."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from washi_latent.core import ModelInfo, Search, TextureModel, WashiError
from washi_latent.core.export import plan
from washi_latent.core.items import identity_of
from washi_latent.core.naming import NAME_FIELDS, check_name, check_names, check_pattern, fill, slug
from washi_latent.core.recipe import latents_of
from washi_latent.core.recipe_reading import RecipeError, read_recipe
from washi_latent.core.sphere import angle_for_concentration
from washi_latent.core.toml_lines import line_of, toml_lines


@pytest.fixture
def folder(tmp_path: Path, sheet_model: TextureModel, both_models: None) -> Path:
    """Where recipes lie; both small models are found by name, and a session is there."""
    search = Search(sheet_model, seed=4, noise_seed=5)
    search.keep("deep moss / 苔", np.linspace(-1, 1, 12))
    search.step_to(np.linspace(0, 2, 12))
    search.keep("pale", np.linspace(1, -1, 12))
    value = {"session_version": 1, "model": {"name": "small-sheet"}, "size": None, "search": json.loads(search.state.to_json())}
    (tmp_path / "session.json").write_text(json.dumps(value))
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


POINTS = '[[points]]\nseeds = "0-2"\n'
HEAD = '[export]\nmodels = ["small-sheet"]\nsizes = [64]\n'


def test_a_full_recipe(folder: Path) -> None:
    recipe = read_recipe(
        write(
            folder,
            """[export]
models = ["small-sheet", "small-64"]
noise_seeds = [0, 3]
maps = ["height", "base_color"]
formats = { height = "png16" }
name = "{points}/{label}-{model}-{size}-{noise_seed}"

[[points]]
name = "kept"
session = "session.json"
favourites = "all"

[[points]]
name = "steps"
session = "session.json"
steps = "all"

[[points]]
name = "seeds"
seeds = [4, 9]

[[points]]
name = "written"
model = "small-64"
latents = [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5]]
""",
        )
    )
    names = sorted(item.name for item in plan(recipe))
    assert names == [
        "kept/deep-moss-苔-small-sheet-256-0",
        "kept/deep-moss-苔-small-sheet-256-3",
        "kept/pale-small-sheet-256-0",
        "kept/pale-small-sheet-256-3",
        "seeds/seed-4-small-64-32-0",
        "seeds/seed-4-small-sheet-256-0",
        "seeds/seed-4-small-sheet-256-3",
        "seeds/seed-9-small-64-32-0",
        "seeds/seed-9-small-sheet-256-0",
        "seeds/seed-9-small-sheet-256-3",
        "steps/step-1-small-sheet-256-0",
        "steps/step-1-small-sheet-256-3",
        "written/latent-0-small-64-32-0",
    ]
    by_name = {item.name: item for item in plan(recipe)}
    np.testing.assert_array_equal(by_name["kept/pale-small-sheet-256-3"].latent, np.linspace(1, -1, 12).astype(np.float32))
    assert by_name["seeds/seed-4-small-64-32-0"].maps == {"height": "png16", "base_color": "png8"}


def test_a_sessions_noise_seed_counts_where_the_recipe_gives_none(folder: Path) -> None:
    recipe = read_recipe(write(folder, HEAD + POINTS + '[[points]]\nname = "kept"\nsession = "session.json"\nfavourites = ["pale"]\n'))
    assert {(item.points, item.noise_seed) for item in plan(recipe)} == {("points-1", 0), ("kept", 5)}


MISTAKES = [
    ('[export]\nmodel = "x"\n' + POINTS, 2, "did you mean 'models'"),
    ('[export]\nmodels = [\n  "nowhere",\n]\n' + POINTS, 2, "there is no model 'nowhere'"),
    ('[export]\nmodels = ["small-64"]\nsizes = [64]\n' + POINTS, 3, "makes 32 x 32 pixels only"),
    ('[export]\nmodels = ["small-sheet"]\nsizes = [64, 65]\n' + POINTS, 3, "multiples of 8"),
    ('[export]\nmodels = ["small-sheet"]\nsizes = ["64*64"]\n' + POINTS, 3, "give pixels"),
    (HEAD + 'maps = ["normals"]\n' + POINTS, 4, "did you mean 'normal'"),
    (HEAD + 'format = "jpeg"\n' + POINTS, 4, "choose from png8"),
    (HEAD + 'formats = { height = "png32" }\n' + POINTS, 4, "height is 'png32': choose from png8"),
    (HEAD + '\n[export.formats]\nheigth = "png16"\n' + POINTS, 6, "did you mean 'height'"),
    (HEAD + 'name = "../{id}"\n' + POINTS, 4, "stay in its folder"),
    (HEAD + 'name = "/tmp/{id}"\n' + POINTS, 4, "stay in its folder"),
    (HEAD + 'name = "con/{id}"\n' + POINTS, 4, "refuse"),
    (HEAD + 'name = "{indx}"\n' + POINTS, 4, "choose from points"),
    (HEAD + 'name = "{model.__class__}"\n' + POINTS, 4, "choose from points"),
    (HEAD + 'name = "{index"\n' + POINTS, 4, "braces"),
    (HEAD + 'name = "paper"\n' + POINTS, 4, "gives two items the name 'paper'"),
    (HEAD + "noise_seeds = [1, 1]\n" + POINTS, 4, "twice"),
    (HEAD + "noise_seeds = [-1]\n" + POINTS, 4, "whole numbers from 0"),
    (HEAD, 1, "there are no points"),
    (HEAD + "[[points]]\n", 4, "of one kind"),
    (HEAD + POINTS + "\n[[points]]\nseeds = [1]\nsteps = [1]\n", 7, "of one kind"),
    (HEAD + '[[points]]\nseeds = "5-1"\n', 5, "range"),
    (HEAD + '[[points]]\nfavourites = "all"\n', 5, "needs a session"),
    (HEAD + '[[points]]\nsession = "nowhere.json"\nfavourites = "all"\n', 5, "can't be read"),
    (HEAD + '[[points]]\nsession = "session.json"\nfavourites = ["pole"]\n', 6, "did you mean 'pale'"),
    (HEAD + '[[points]]\nsession = "session.json"\nsteps = [7]\n', 6, "steps up to 1"),
    ('[export]\nmodels = ["small-64"]\n[[points]]\nsession = "session.json"\nsteps = [1]\n', 4, "is of the model 'small-sheet'"),
    (HEAD + "[[points]]\nlatents = [[1, 2]]\n", 5, "holds 2 numbers where small-sheet needs 12"),
    (HEAD + "[[points]]\nlatents = [[nan]]\n", 5, "finite numbers"),
    (HEAD + "[[points]]\nlatents = [[1e39, 1]]\n", 5, "finite numbers"),
    (HEAD + f"[[points]]\nlatents = [[{'9' * 400}]]\n", 5, "finite numbers"),
    (HEAD.replace("[64]", "[16]") + POINTS, 3, "multiples of 8 from 32"),
    (HEAD + '[[points]]\n[points.random]\ncount = 3\ncentre = "seed:1"\nangle = 20\n', 7, "did you mean 'center'"),
    (HEAD + '[[points]]\n[points.random]\ncount = 3\n\nangle = 120\ncenter = "seed:1"\n', 8, "from 0 to 90"),
    (HEAD + '[[points]]\n[points.random]\ncenter = "seed:1"\nangle = 20\nconcentration = 5\n', 7, "give one of them"),
    (HEAD + "[[points]]\nrandom = { count = 0 }\n", 5, "count is 0"),
    (HEAD + "[[points]]\ngrid = { rows = 2 }\n", 5, "needs a center"),
    (HEAD + '[[points]]\ngrid = { center = "start" }\n', 5, "with a session"),
    (HEAD + "[[points]]\nsequence = { ends = [[0, 0]] }\n", 5, "two or more"),
    (HEAD + '[[points]]\nsequence = { ends = ["seed:1", "seed:2"], spacing = "evn" }\n', 5, "did you mean 'even'"),
    (HEAD + POINTS + '[[points]]\nname = "points-1"\nseeds = [1]\n', 7, "as another table's"),
    (HEAD + POINTS + '\n[library]\nfile = "../x.blend"\n', 8, "stay in its folder"),
    (HEAD + POINTS + '\n[library]\nfile = "x.txt"\n', 8, ".blend"),
    ("[export]\nsizes = [64\n" + POINTS, 3, "not TOML"),
]


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES, ids=[said for *_, said in MISTAKES])
def test_a_mistake_is_told_with_its_line(folder: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(folder, text))
    assert any(where == line and said in sentence for where, sentence in caught.value.problems), caught.value.problems


def test_every_mistake_is_told_at_once(folder: Path) -> None:
    text = HEAD.replace("[64]", "[65]") + 'maps = ["hight"]\nnam = "x"\n\n[[points]]\nseed = [1]\n\n[[points]]\nname = "b"\nrandom = { count = -1, x = 2 }\n'
    with pytest.raises(RecipeError) as caught:
        read_recipe(write(folder, text))
    assert [line for line, _ in caught.value.problems] == [3, 4, 5, 7, 8, 12, 12]
    assert str(caught.value).count("\n  line ") == 7


def test_a_library_where_none_can_be_written_is_a_mistake(folder: Path) -> None:
    path = write(folder, HEAD + POINTS + "\n[library]\n")
    assert read_recipe(path).library is not None
    with pytest.raises(RecipeError, match="line 7: no Blender here"):
        read_recipe(path, no_library="no Blender here")


def test_a_recipe_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(WashiError, match="can't be read"):
        read_recipe(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WashiError, match="can't be read"):
        read_recipe(tmp_path / "binary.toml")


scalars = st.one_of(
    st.integers(-2, 70),
    st.floats(-1, 100),
    st.booleans(),
    st.sampled_from(["", "all", "seed:1", "start", "0-2", "64x32", "height", "png16", "{id}", "small-64"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["count", "center", "ends", "angle", "x"]), inner, max_size=3)),
)
HEAD_KEYS = ["models", "sizes", "noise_seeds", "maps", "format", "formats", "name"]
TABLE_KEYS = ["name", "model", "session", "favourites", "steps", "seeds", "latents", "random", "grid", "sequence"]


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(inner)}" for name, inner in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(HEAD_KEYS), anything, max_size=3), st.lists(st.dictionaries(st.sampled_from(TABLE_KEYS), anything, max_size=3), max_size=2)
)
def test_whatever_stands_in_a_recipe_it_is_read_or_refused(folder: Path, head: dict[str, object], tables: list[dict[str, object]]) -> None:
    lines = ["[export]", "models = ['small-64']" if "models" not in head else "", *(f"{key} = {toml(value)}" for key, value in head.items())]
    for table in tables:
        lines += ["[[points]]", *(f"{key} = {toml(value)}" for key, value in table.items())]
    problems: tuple[tuple[int, str], ...] = ()
    try:
        read = read_recipe(write(folder, "\n".join(lines)))
    except RecipeError as error:
        read, problems = None, error.problems
    assert (read is None) == bool(problems)
    assert all(1 <= line <= len(lines) and sentence for line, sentence in problems)


# Lines

keys = st.sampled_from(["a", "b-c", "d_e", '"f g"', "'h.i'", "j.k"])
values = st.sampled_from(
    [
        "1",
        '"x"',
        "[1, 2]",
        '[\n  "a", # ] not the end\n  "b",\n]',
        "{ x = 1, y = [2] }",
        '"""\n[no.table]\nkey = 1\n"""',
        "'''\n# no \" comment\n'''",
        '"a # b"',
        '""""q"""""',
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[int, str]]:
    """A TOML text, and the key or header that begins on each line that has one."""
    lines: list[str] = []
    begins: dict[int, str] = {}

    def body() -> None:
        for key in draw(st.lists(keys, unique=True, max_size=4)):
            lines.extend([""] * draw(st.integers(0, 1)) + ["# x = [ "] * draw(st.integers(0, 1)))
            begins[len(lines) + 1] = key
            lines.extend(f"{key} = {draw(values)}".split("\n"))

    body()
    for number in range(draw(st.integers(0, 3))):
        header = draw(st.sampled_from([f"[table{number}]", "[[list]]", f"[table{number}.sub]"]))
        begins[len(lines) + 1] = header
        lines.append(header)
        body()
    return "\n".join(lines), begins


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Of every table and key."""
    found = [path]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths(inner, (*path, name))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            found += paths(inner, (*path, index))
    return found


@given(documents())
def test_lines_are_where_keys_stand(document: tuple[str, dict[int, str]]) -> None:
    text, begins = document
    lines = toml_lines(text)
    assert set(lines.values()) == set(begins)
    every = paths(tomllib.loads(text))
    assert set(lines) <= set(every)
    for path in every[1:]:
        header = begins[line_of(lines, path)]
        named = [str(part) for part in path if isinstance(part, str)]
        assert any(tomllib.loads(f"{header} = 0" if "[" not in header else header).keys() & {name} for name in named)


# Names


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_checked_pattern_never_leads_out(pattern: str, label: str) -> None:
    if check_pattern(pattern) is None:
        parts = {f: 7 if f in ("index", "noise_seed") else slug(label) for f in NAME_FIELDS}
        name = fill(pattern, parts)
        if check_name(name) is None:
            for kind in (PurePosixPath, PureWindowsPath):
                assert not kind(name).is_absolute()
                assert not kind(name).drive
                assert ".." not in kind(name).parts


@pytest.mark.parametrize(
    "name", ["manifest", "Manifest", "manifest.json/x", "MANIFEST.JSON/a/b", "CONIN$", "com¹", "lpt3.x", "a/" * 2000 + "x", "/".join(["x" * 100] * 9)]
)
def test_names_that_some_system_or_the_list_takes_are_refused(name: str) -> None:
    assert check_name(name) is not None
    assert check_pattern(name.replace("{", "{{")) is not None


@pytest.mark.parametrize("name", ["manifest/x", "x/manifest", "x/manifest.json/y", "console", "com", "com10"])
def test_names_like_those_are_accepted(name: str) -> None:
    assert check_name(name) is None


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6))
def test_names_that_are_accepted_differ_on_every_system(labels: list[str]) -> None:
    items = [{"points": "p", "label": slug(label), "index": 0, "model": "m", "size": "64", "noise_seed": 0} for label in labels]
    if not check_names("{label}", items):
        assert len({fill("{label}", {**i, "id": ""}).casefold() for i in items}) == len(items)


@given(st.lists(st.floats(-4, 4, width=32), min_size=3, max_size=3), st.integers(8, 9), st.integers(0, 2), st.booleans())
def test_an_identity_is_of_all_that_pixels_depend_on(latent: list[float], edge: int, seed: int, deep: bool) -> None:
    point = np.asarray(latent, np.float32)
    maps = {"height": "png16" if deep else "png8", "normal": "png8"}
    identity = identity_of("c", point, (edge, 8), seed, maps)  # type: ignore[arg-type]
    assert identity == identity_of("c", point.copy(), (edge, 8), seed, dict(reversed(maps.items())))  # type: ignore[arg-type]
    others = [
        ("d", point, (edge, 8), seed, maps),
        ("c", np.nextafter(point, np.float32(9)), (edge, 8), seed, maps),
        ("c", point, (edge + 1, 8), seed, maps),
        ("c", point, (edge, 8), seed + 1, maps),
        ("c", point, (edge, 8), seed, {**maps, "opacity": "png8"}),
        ("c", point, (edge, 8), seed, {**maps, "normal": "exr"}),
    ]
    assert len({identity, *(identity_of(*other) for other in others)}) == 7  # type: ignore[arg-type]


def test_the_order_of_keys_and_tables_changes_no_item(folder: Path) -> None:
    head = ["models = ['small-sheet']", "sizes = [64, 32]", "maps = ['normal', 'height']", "noise_seeds = [2, 1]"]
    tables = ["[[points]]\nname = 'a'\nseeds = [1]\n", "[[points]]\nseeds = [2]\nname = 'b'\n"]
    one = plan(read_recipe(write(folder, "\n".join(["[export]", *head, *tables]))))
    head[2] = "maps = ['height', 'normal']"
    head[3] = "noise_seeds = [1, 2]"
    other = plan(read_recipe(write(folder, "\n".join([*tables[::-1], "[export]", *head[::-1]]))))
    assert [(i.name, i.id) for i in one] == [(i.name, i.id) for i in other]
    assert len({i.id for i in one}) == len(one) == 8


# Points


def latents(folder: Path, text: str, model: TextureModel) -> np.ndarray:
    (points,) = read_recipe(write(folder, HEAD + "[[points]]\n" + text)).points
    found = latents_of(points.source, model)
    assert found.shape == (len(points.labels), model.latent_dim)
    return found


def angles(rows: np.ndarray, center: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(rows @ center / np.linalg.norm(rows, axis=1) / np.linalg.norm(center), -1, 1))


def test_seeds_and_draws_lie_on_the_priors_shell(folder: Path, sheet_model: TextureModel) -> None:
    for text in ("seeds = [0, 1, 2]", "random = { count = 50, seed = 3 }", 'random = { count = 5, center = "seed:1", concentration = 20 }'):
        np.testing.assert_allclose(np.linalg.norm(latents(folder, text, sheet_model), axis=1), math.sqrt(12))


def test_a_draw_keeps_the_angle_that_was_asked_for(folder: Path, sheet_model: TextureModel) -> None:
    center = latents(folder, "seeds = [7]", sheet_model)[0]
    drawn = latents(folder, 'random = { count = 4000, center = "seed:7", angle = 25 }', sheet_model)
    assert math.degrees(angles(drawn, center).mean()) == pytest.approx(25, abs=0.5)
    drawn = latents(folder, 'random = { count = 4000, center = "seed:7", concentration = 30 }', sheet_model)
    assert angles(drawn, center).mean() == pytest.approx(angle_for_concentration(30, 12), abs=0.01)


def test_a_grid_spans_its_angle_around_its_center(folder: Path, sheet_model: TextureModel) -> None:
    center = latents(folder, "seeds = [7]", sheet_model)[0]
    grid = latents(folder, 'grid = { rows = 3, columns = 5, center = "seed:7", angle = 40 }', sheet_model).reshape(3, 5, 12)
    np.testing.assert_allclose(np.linalg.norm(grid, axis=-1), math.sqrt(12))
    np.testing.assert_allclose(grid[1, 2], center)
    np.testing.assert_allclose(np.degrees(angles(grid[1], center)), [40, 20, 0, 20, 40], atol=1e-4)
    np.testing.assert_allclose(np.degrees(angles(grid[:, 2], center)), [40, 0, 40], atol=1e-4)


def test_a_sequence_runs_from_end_to_end(folder: Path, sheet_model: TextureModel) -> None:
    walk = latents(folder, 'session = "session.json"\nsequence = { ends = ["end", "pale", "seed:3"], count = 4, size = 32 }', sheet_model)
    assert walk.shape == (7, 12)
    np.testing.assert_allclose(walk[0], np.linspace(0, 2, 12))
    np.testing.assert_allclose(walk[3], np.linspace(1, -1, 12))


def test_a_models_folder_beside_the_recipe(folder: Path, small_bundle: ModelInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WASHI_LATENT_MODELS")
    (folder / "here").symlink_to(small_bundle.folder)
    recipe = read_recipe(write(folder, '[export]\nmodels = ["here"]\n' + POINTS))
    assert recipe.models[0].name == "small-64"
