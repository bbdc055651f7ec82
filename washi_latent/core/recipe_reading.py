"""Reading a recipe: all of it is checked, and every mistake is told with its line."""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from .errors import WashiError
from .maps import FORMATS, MAPS, Format
from .models import DEFAULT_MODEL, ModelInfo, is_bundle, locate, verify
from .naming import check_names, check_pattern, slug
from .ranges import MAX_SEED
from .recipe import Draw, Given, Grid, Interpolation, Library, Points, Recipe, Reference, Seeds, name_parts
from .sequence import MAX_COUNT, PATHS, SPACINGS, Spacing
from .sequence import Path as Way
from .sessions import Session, place_of, read_session
from .sphere import MAX_CONCENTRATION, concentration_for_angle
from .toml_lines import Path as Place
from .toml_lines import line_of, toml_lines

DEFAULT_MAPS = ("base_color", "height", "normal", "roughness", "opacity")
DEFAULT_NAME = "{points}-{index:03}-{id}"
MAX_POINTS = 100_000
MAX_ITEMS = 1_000_000
_MAX_RECIPE = 16 << 20
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


class RecipeError(WashiError):
    """Everything that is wrong with a recipe.

    Attributes:
        problems: (line, sentence), in the order of their lines.
    """

    def __init__(self, path: Path, problems: Iterable[tuple[int, str]]) -> None:
        self.problems = tuple(sorted(problems))
        said = "".join(f"\n  line {line}: {sentence}" for line, sentence in self.problems)
        super().__init__(f"{path} has {_several(len(self.problems), 'mistake')}, nothing was made:{said}")


def read_recipe(path: str | os.PathLike[str], extra: Iterable[str | os.PathLike[str]] = (), no_library: str = "") -> Recipe:
    """Read and check a recipe.

    Args:
        path: of the TOML file; sessions and models' folders are found from beside it.
        extra: folders of bundles that count before the others.
        no_library: why a material library can't be written here; a recipe that wants one is then mistaken.

    Raises:
        RecipeError: every mistake with its line.
        WashiError: a file that can't be read.
    """
    place = Path(path)
    try:
        if place.stat().st_size > _MAX_RECIPE:
            raise WashiError(f"the recipe {place} is absurdly long: give a TOML file")
        text = place.read_text(encoding="utf-8-sig")  # editors of Windows put a mark before it
    except (OSError, UnicodeDecodeError) as error:
        raise WashiError(f"the recipe {place} can't be read: give a TOML file") from error
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise RecipeError(place, [(line, f"this is not TOML: {error}")]) from error
    except (ValueError, RecursionError) as error:  # a number of more digits than Python reads, brackets without end
        longest = max(re.finditer(r"[\d_]+|\[+|\{+", text), key=lambda found: len(found[0]))
        line = text.count("\n", 0, longest.start()) + 1
        raise RecipeError(place, [(line, "this can't be read: the number is too long, or too many brackets lie in one another")]) from error
    notes = _Notes(toml_lines(text))
    recipe = _recipe(_Table(notes, (), value), place.parent, extra)
    if no_library and "library" in value:
        notes.add(("library",), no_library)
    if notes.problems or recipe is None:
        raise RecipeError(place, notes.problems)
    return recipe


class _Notes:
    """Collects what is wrong."""

    def __init__(self, lines: dict[Place, int]) -> None:
        self.lines = lines
        self.problems: set[tuple[int, str]] = set()

    def add(self, path: Place, sentence: str) -> None:
        self.problems.add((line_of(self.lines, path), sentence))

    def trying(self, path: Place, call: Callable[[], Any]) -> Any:
        """What a call gives, or None and its error noted."""
        try:
            return call()
        except WashiError as error:
            self.add(path, str(error))
            return None


class _Table:
    """One table of a recipe: gives its values checked, and notes what is wrong with them."""

    def __init__(self, notes: _Notes, path: Place, value: Mapping[str, Any]) -> None:
        self.notes, self.path, self.value = notes, path, value
        self.known: list[str] = []

    def wrong(self, key: str, sentence: str) -> None:
        self.notes.add((*self.path, key), f"{key} {sentence}")

    def _get(self, key: str) -> Any:
        self.known.append(key)
        return self.value.get(key)

    def text(self, key: str, default: str) -> str:
        found = self._get(key)
        if found is None or (type(found) is str and found.strip()):
            return default if found is None else found
        self.wrong(key, f"is {found!r}: give a text")
        return default

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        found = self._get(key)
        if found is None or found in choices:
            return default if found is None else found
        self.wrong(key, f"is {found!r}: choose from {', '.join(choices)}{_nearest(found, choices)}")
        return default

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        found = self._get(key)
        if found is None or (type(found) is int and low <= found <= high):
            return default if found is None else found
        self.wrong(key, f"is {found!r}: give a whole number from {low} to {high}")
        return default

    def number(self, key: str, low: float, high: float) -> float | None:
        found = self._get(key)
        if found is None or (type(found) in (int, float) and low <= found <= high):
            return found
        self.wrong(key, f"is {found!r}: give a number from {low:g} to {high:g}")
        return low

    def array(self, key: str) -> list[Any] | None:
        found = self._get(key)
        if found is None or (isinstance(found, list) and found):
            return found
        self.wrong(key, f"is {found!r}: give an array of one or more")
        return []

    def table(self, key: str) -> _Table | None:
        found = self._get(key)
        if found is None or isinstance(found, dict):
            return None if found is None else _Table(self.notes, (*self.path, key), found)
        self.wrong(key, f"is {found!r}: give a table")
        return _Table(self.notes, (*self.path, key), {})

    def any(self, key: str) -> Any:
        return self._get(key)

    def finish(self) -> None:
        """Note the keys that nobody asked for."""
        where = f"[{'.'.join(str(p) for p in self.path if isinstance(p, str))}]" if self.path else "a recipe"
        for key in self.value:
            if key not in self.known:
                self.notes.add((*self.path, key), f"{where} has no key {key!r}{_nearest(key, self.known) or ': choose from ' + ', '.join(self.known)}")


def _nearest(given: Any, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(given), choices, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _recipe(top: _Table, folder: Path, extra: Iterable[str | os.PathLike[str]]) -> Recipe | None:
    head = top.table("export") or _Table(top.notes, ("export",), {})
    models = _models(head, folder, extra)
    sizes = _sizes(head, models)
    noise = head.array("noise_seeds")
    noise_seeds = None if noise is None else _wholes(head, "noise_seeds", noise)
    maps = _maps(head)
    name = head.text("name", DEFAULT_NAME)
    problem = check_pattern(name)
    if problem:
        head.wrong("name", problem)
    head.finish()
    library = _library(top, maps)
    points = _all_points(top, models, folder)
    top.finish()
    if top.notes.problems:
        return None
    recipe = Recipe(models, sizes, noise_seeds, maps, name, points, library)
    _check_whole(recipe, head)
    return recipe


def _check_whole(recipe: Recipe, head: _Table) -> None:
    """What only the whole shows: too many items, items of one name, models that no point is for."""
    total = sum(len(points.labels) for points, *_ in recipe.uses())
    if not 1 <= total <= MAX_ITEMS:
        head.notes.add(head.path, f"this recipe asks for {total} textures: choose 1 to {MAX_ITEMS}")
        return
    for model in recipe.models:
        if not any(model.name in points.models for points in recipe.points):
            head.wrong("models", f"lists {model.name}, which no table of points is for: leave it out, or add points")
    for sentence in check_names(recipe.name, _Named(recipe)):
        head.wrong("name", sentence)


class _Named:
    """What fills the names of a recipe's items, one after the other: a million at once would need much memory."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __iter__(self) -> Iterator[dict[str, str | int]]:
        for points, model, (height, width), seed in self._recipe.uses():
            for index, label in enumerate(points.labels):
                yield name_parts(points.name, label, index, model.name, (height, width), seed)


def _models(head: _Table, folder: Path, extra: Iterable[str | os.PathLike[str]]) -> tuple[ModelInfo, ...]:
    found: dict[str, ModelInfo] = {}
    for name in head.array("models") or ([] if "models" in head.value else [DEFAULT_MODEL]):
        if type(name) is not str:
            head.wrong("models", f"holds {name!r}: give names or folders")
            continue
        beside = folder / name
        bundle = str(beside) if is_bundle(beside) else name
        info = head.notes.trying((*head.path, "models"), partial(_bundle, bundle, extra))
        if info is not None and info.name in found:
            head.wrong("models", f"lists {info.name} twice: list it once")
        elif info is not None:
            found[info.name] = info
    return tuple(found.values())


def _bundle(name: str, extra: Iterable[str | os.PathLike[str]]) -> ModelInfo:
    return verify(locate(name, extra))


def _sizes(head: _Table, models: Sequence[ModelInfo]) -> dict[str, tuple[tuple[int, int], ...]]:
    wanted: list[tuple[int, int] | None] = []
    for size in head.array("sizes") or [None]:
        match = _SIZE.fullmatch(size) if type(size) is str else None
        if match:
            wanted.append((int(match[2]), int(match[1])))
        elif type(size) is int:
            wanted.append((size, size))
        elif size is None:
            wanted.append(None)
        else:
            head.wrong("sizes", f'holds {size!r}: give pixels, such as 1024 or "2048x1024"')
    if len(set(wanted)) < len(wanted):
        head.wrong("sizes", "holds a size twice: list it once")
    result: dict[str, tuple[tuple[int, int], ...]] = {}
    for model in models:
        checked = [head.notes.trying((*head.path, "sizes"), partial(model.check_size, size)) for size in wanted]
        result[model.name] = tuple(size for size in checked if size is not None)
    return result


def _maps(head: _Table) -> dict[str, Format]:
    common = head.choice("format", "png8", FORMATS)
    names = head.array("maps")
    chosen: dict[str, Format] = {}
    for name in DEFAULT_MAPS if names is None else names:
        if name not in MAPS:
            head.wrong("maps", f"holds {name!r}: choose from {', '.join(MAPS)}{_nearest(name, MAPS)}")
        else:
            chosen[name] = cast("Format", common)
    own = head.table("formats")
    if own is not None:
        for name in sorted(chosen):
            chosen[name] = cast("Format", own.choice(name, chosen[name], FORMATS))
        own.finish()
    if "exr" in chosen.values():
        _need(head, "OpenEXR", "format" if common == "exr" else "formats", "OpenEXR", "exr")
    return chosen


def _need(table: _Table, package: str, key: str, what: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        table.wrong(key, f"asks for {what}, which needs a package that is not installed: pip install 'washi-latent[{extra}]'")


def _library(top: _Table, maps: Mapping[str, Format]) -> Library | None:
    table = top.table("library")
    if table is None:
        return None
    file, catalog = table.text("file", "library.blend"), table.text("catalog", "Washi Latent/{points}")
    problem = check_pattern(file.removesuffix(".blend")) or (None if file.endswith(".blend") else "has to end with .blend")
    if problem or "{" in file:
        table.wrong("file", problem or "holds a brace: give a plain name")
    problem = check_pattern(catalog)
    if problem:
        table.wrong("catalog", problem)
    table.finish()
    if not maps.get("base_color", "exr").startswith("png"):
        top.notes.add(table.path, "a material library shows base_color as PNG: add it to the maps")
    return Library(file, catalog)


# Points


_KINDS = ("favourites", "steps", "seeds", "latents", "random", "grid", "sequence")


def _all_points(top: _Table, models: Sequence[ModelInfo], folder: Path) -> tuple[Points, ...]:
    tables = top.any("points")
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        top.notes.add(("points",), "there are no points: add one or more tables [[points]]")
        return ()
    result: list[Points] = []
    for index, value in enumerate(cast("list[dict[str, Any]]", tables)):
        reader = _PointsReader(_Table(top.notes, ("points", index), value), models, folder, index)
        made = reader.read()
        if made is not None and any(slug(p.name).casefold() == slug(made.name).casefold() for p in result):
            reader.table.wrong("name", f"is {made.name!r}, as another table's: give each its own")
        elif made is not None:
            result.append(made)
    return tuple(result)


class _PointsReader:
    """Reads one table of points."""

    def __init__(self, table: _Table, models: Sequence[ModelInfo], folder: Path, index: int) -> None:
        self.table, self.models, self.folder = table, list(models), folder
        self.name = table.text("name", f"points-{index + 1}")
        self.session: Session | None = None

    def read(self) -> Points | None:
        self._restrict()
        kinds = [kind for kind in _KINDS if kind in self.table.value]
        self.table.known += _KINDS
        if len(kinds) != 1:
            said = " and ".join(kinds) or "none"
            self.table.notes.add(self.table.path, f"a table of points is of one kind, this one of {said}: choose one of {', '.join(_KINDS)}")
        found = getattr(self, f"_{kinds[0]}")() if len(kinds) == 1 else None
        self.table.finish()
        if found is None:
            return None
        labels, source = found
        if isinstance(source, Given):
            self._check_dimensions(source.latents, kinds[0])
        noise = None if self.session is None else self.session.state.noise_seed
        return Points(self.name, tuple(labels), source, tuple(m.name for m in self.models), noise)

    def _restrict(self) -> None:
        """Which models the points are for: one that is named, the session's, or all."""
        given = self.table.text("model", "")
        if given:
            named = [m for m in self.models if m.name == given]
            if not named and self.models:
                self.table.wrong("model", f"is {given!r}: choose from the recipe's models ({', '.join(m.name for m in self.models)})")
            self.models = named
        path = self.table.text("session", "")
        if not path:
            return
        self.session = self.table.notes.trying((*self.table.path, "session"), partial(read_session, self.folder / path))
        if self.session is None:
            self.models = []
            return
        fitting = [m for m in self.models if m.name == self.session.model]
        if self.models and not fitting:
            self.table.wrong("session", f"is of the model {self.session.model!r}: list that model, or choose another session")
        self.models = fitting

    def _check_dimensions(self, latents: Sequence[tuple[float, ...]], key: str) -> None:
        for model in self.models:
            for length in sorted({len(latent) for latent in latents} - {model.latent_dim}):
                self.table.wrong(key, f"holds {length} numbers where {model.name} needs {model.latent_dim}: give as many")

    def _has_session(self, key: str) -> bool:
        if self.session is None and "session" not in self.table.value:
            self.table.wrong(key, 'needs a session: add session = "session.json"')
        return self.session is not None

    def _favourites(self) -> tuple[list[str], Given] | None:
        asked = self.table.any("favourites")
        if asked != "all" and not (isinstance(asked, list) and asked and all(type(n) is str for n in asked)):
            self.table.wrong("favourites", 'has to be "all" or an array of names')
            return None
        if not self._has_session("favourites"):
            return None
        kept = {f.name: f.latent for f in cast("Session", self.session).state.favourites}
        if not kept:
            self.table.wrong("favourites", "is empty in this session: keep some textures, or choose another session")
            return None
        names = list(kept) if asked == "all" else asked
        for name in [n for n in names if n not in kept]:
            self.table.wrong("favourites", f"holds {name!r}, which the session has not: choose from {', '.join(kept)}{_nearest(name, list(kept))}")
        return names, Given(tuple(kept[n] for n in names if n in kept))

    def _steps(self) -> tuple[list[str], Given] | None:
        asked = self.table.any("steps")
        if not self._has_session("steps"):
            return None
        state = cast("Session", self.session).state
        path = state.path()
        numbers = list(range(1, len(path))) if asked == "all" else asked
        if not (isinstance(numbers, list) and numbers and all(type(n) is int and 0 <= n < len(path) for n in numbers)):
            self.table.wrong("steps", f'is {asked!r}: give "all" or an array of numbers, the session has steps up to {len(path) - 1}')
            return None
        return [f"step-{n}" for n in numbers], Given(tuple(state.nodes[path[n]].center for n in numbers))

    def _seeds(self) -> tuple[list[str], Seeds] | None:
        asked = self.table.any("seeds")
        span = re.fullmatch(r"(\d{1,19})-(\d{1,19})", asked) if type(asked) is str else None
        if span and 0 <= int(span[2]) - int(span[1]) < MAX_POINTS:
            asked = list(range(int(span[1]), int(span[2]) + 1))
        elif not isinstance(asked, list) or not 1 <= len(asked) <= MAX_POINTS:
            self.table.wrong("seeds", f'has to be an array of numbers, or a range such as "0-99", {MAX_POINTS} at most')
            return None
        seeds = _wholes(self.table, "seeds", asked)
        return [f"seed-{seed}" for seed in seeds], Seeds(seeds)

    def _latents(self) -> tuple[list[str], Given] | None:
        asked = self.table.any("latents")
        if not isinstance(asked, list) or not asked or not all(_numbers(latent) for latent in asked):
            self.table.wrong("latents", "has to be an array of arrays of finite numbers")
            return None
        return [f"latent-{i}" for i in range(len(asked))], Given(tuple(tuple(float(v) for v in latent) for latent in asked))

    def _random(self) -> tuple[list[str], Draw]:
        table = self.table.table("random") or self.table
        count = table.whole("count", 1, 1, MAX_POINTS)
        seed = table.whole("seed", 0, 0, MAX_SEED)
        center = self._reference(table, "center")
        degrees, concentration = table.number("angle", 0, 90), table.number("concentration", 0, MAX_CONCENTRATION)
        if degrees is not None and concentration is not None:
            table.wrong("angle", "and concentration say the same: give one of them")
        if ("center" in table.value) != (degrees is not None or concentration is not None):
            table.wrong("center", "and an angle (or a concentration) belong together: give both, or neither for the whole shell")
        angle = None if degrees is None else math.radians(degrees)
        for model in self.models if angle is not None else []:
            table.notes.trying((*table.path, "angle"), partial(concentration_for_angle, cast("float", angle), model.latent_dim))
        table.finish()
        return [f"random-{i}" for i in range(count)], Draw(count, seed, center, angle, float(concentration or 0))

    def _grid(self) -> tuple[list[str], Grid] | None:
        table = self.table.table("grid") or self.table
        rows, columns = table.whole("rows", 3, 1, 300), table.whole("columns", 3, 1, 300)
        seed, angle = table.whole("seed", 0, 0, MAX_SEED), table.number("angle", 0.001, 90)
        center = self._reference(table, "center")
        if "center" not in table.value:
            table.notes.add(table.path, 'a grid needs a center: "seed:7", a place of the session, or an array of numbers')
        for model in self.models:
            if model.latent_dim < 3:
                table.notes.add(table.path, f"a grid on the shell needs 3 dimensions or more, and {model.name} has {model.latent_dim}: choose other points")
        table.finish()
        if center is None:
            return None
        labels = [f"{y}-{x}" for y in range(rows) for x in range(columns)]
        return labels, Grid(rows, columns, seed, center, math.radians(45 if angle is None else angle))

    def _sequence(self) -> tuple[list[str], Interpolation] | None:
        table = self.table.table("sequence") or self.table
        given = table.array("ends")
        ends = [self._point(table, "ends", end) for end in given or []]
        if len(ends) < 2:
            table.wrong("ends", "has to be an array of two or more points")
        count = table.whole("count", 12, 3, MAX_COUNT + 2)
        spacing, path = table.choice("spacing", "even", SPACINGS), table.choice("path", "slerp", PATHS)
        size = table.whole("size", 0, 8, 4096) or None
        for model in self.models if size else []:
            table.notes.trying((*table.path, "size"), partial(model.check_size, size))
        table.finish()
        if len(ends) < 2 or None in ends:
            return None
        labels = [f"texture-{i}" for i in range((len(ends) - 1) * (count - 1) + 1)]
        return labels, Interpolation(cast("tuple[Reference, ...]", tuple(ends)), count, cast("Spacing", spacing), cast("Way", path), size)

    def _reference(self, table: _Table, key: str) -> Reference | None:
        given = table.any(key)
        found = None if given is None else self._point(table, key, given)
        if isinstance(found, tuple) and not any(found):
            table.wrong(key, "is the origin, which has no direction: give another point")
        return found

    def _point(self, table: _Table, key: str, given: Any) -> Reference | None:
        seed = re.fullmatch(r"seed:(\d+)", given) if type(given) is str else None
        if seed:
            if len(seed[1]) <= len(str(MAX_SEED)) and int(seed[1]) <= MAX_SEED:
                return int(seed[1])
            table.wrong(key, f"holds {given[:40]!r}: seeds go from 0 to {MAX_SEED}")
            return None
        if _numbers(given):
            point = tuple(float(v) for v in given)
            for model in self.models:
                if len(point) != model.latent_dim:
                    table.wrong(key, f"holds {len(point)} numbers where {model.name} needs {model.latent_dim}: give as many")
            return point
        if type(given) in (str, int) and self.session:
            return cast("Reference | None", table.notes.trying((*table.path, key), partial(place_of, self.session.state, str(given))))
        if self.session or "session" not in self.table.value:
            table.wrong(key, f'holds {given!r}: give "seed:7", an array of numbers or, with a session, one of its places')
        return None


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(v) in (int, float) and abs(v) <= _LARGEST for v in value)


_LARGEST = float(np.finfo(np.float32).max)
"""What a network can take."""


def _wholes(table: _Table, key: str, values: Sequence[Any]) -> tuple[int, ...]:
    """Whole numbers from 0, each once."""
    for value in values:
        if type(value) is not int or not 0 <= value <= MAX_SEED:
            table.wrong(key, f"holds {value!r}: give whole numbers from 0 to {MAX_SEED}")
            return ()
    if len(set(values)) < len(values):
        table.wrong(key, "holds a number twice: list it once")
    return tuple(values)


def _several(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
