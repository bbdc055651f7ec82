"""A report on a model, as one page with pictures: what it makes, how its space is laid out, which directions change what."""

from __future__ import annotations

import html
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .core.analysis import Analysis, along, analyse
from .core.images import contact_sheet, font, resize, rgb, square, writable_folder, write_atomically, write_json, write_png
from .core.light import lit
from .core.models import load_model
from .core.progress import Progress, ignore, part
from .core.ranges import check_seed
from .core.sphere import sample_directions

if TYPE_CHECKING:
    from .core.models import TextureModel

Array = NDArray[Any]

BLUE, ORANGE = "#1f5fa9", "#e07b00"
EDGE = 128
KIND_EDGE = 256
"""Large enough for pieces of bark and leaf, of which there may be one a square centimetre."""

STEPS = (-0.6, -0.3, 0.0, 0.3, 0.6)


def write_report(model_name: str, out: str | os.PathLike[str], seed: int = 0, progress: Progress = ignore, threads: int | None = None) -> Path:
    """Analyse a model and write index.html, its pictures and analysis.json.

    Args:
        model_name: a model's name or folder. out: folder. seed: of all that is drawn. threads: None: all.

    Returns:
        The page.

    Raises:
        WashiError: no such model, a damaged one, a folder that can't be written, a seed out of range.
    """
    check_seed(seed)
    model, folder = load_model(model_name, threads=threads), writable_folder(out)
    found = analyse(model, seed=seed, progress=part(progress, 0, 0.6))
    write_png(folder / "map.png", _map(model, found))
    _plot_angles(found, folder / "angles.png")
    write_png(folder / "shell.png", _shell(model, seed))
    write_png(folder / "directions.png", _directions(model, found, seed))
    write_png(folder / "regions.png", _regions(model, found))
    if found.kinds:
        write_png(folder / "kinds.png", _kinds(model, found))
        _plot_kinds(found, folder / "kinds-map.png")
    progress(0.95)
    write_json(folder / "analysis.json", _facts(model, found))
    page = _page(model, found)
    return write_atomically(folder / "index.html", lambda file: file.write(page.encode()))


def _edge(model: TextureModel) -> int | None:
    return EDGE if model.info.size is None else None


class _Map:
    """Pictures at places, none over another.

    Args:
        width, height: of the whole. tile: edge of a picture, pixels.
    """

    LINE, FRAME, GAP = 22, 3, 4

    def __init__(self, width: int = 1600, height: int = 1000, tile: int = 60) -> None:
        self._sheet, self._tile = Image.new("RGB", (width, height), (250, 249, 246)), tile
        self._taken: list[tuple[float, float, float, float]] = []

    def put(self, place: Array, picture: Array, name: str = "") -> bool:
        """Put a picture, with a frame and its name below, at a place (2,) in [0, 1], unless another one is there."""
        draw, tile = ImageDraw.Draw(self._sheet), self._tile
        line, frame = (self.LINE, self.FRAME) if name else (0, 0)
        half = max(tile / 2 + frame, draw.textlength(name, font(15)) / 2)
        # All of a name and of a frame lies inside, wherever the place is.
        beside, above, below = math.ceil(half - tile / 2) + self.GAP, frame + self.GAP, max(line, frame) + self.GAP
        room = [self._sheet.width - tile - 2 * beside, self._sheet.height - tile - above - below]
        x, y = (place * room + [beside, above]).astype(int).tolist()
        middle = x + tile / 2
        box = middle - half, y - frame, middle + half + self.GAP, y + tile + below
        if any(box[0] < right and left < box[2] and box[1] < lower and upper < box[3] for left, upper, right, lower in self._taken):
            return False
        self._taken.append(box)
        self._sheet.paste(Image.fromarray(np.round(resize(square(rgb(picture)), tile, tile) * 255).astype(np.uint8)), (x, y))
        if name:
            draw.rectangle((x - frame, y - frame, x + tile + frame - 1, y + tile + frame - 1), outline=BLUE, width=frame)
            draw.text((middle, y + tile + frame + 1), name, fill=BLUE, font=font(15), anchor="ma")
        return True

    def picture(self) -> Array:
        """(height, width, 3) in [0, 1]."""
        return np.asarray(self._sheet, np.float32) / 255


def _map(model: TextureModel, found: Analysis) -> Array:
    """Textures where the features' two principal components put them; each kind's first example that finds room, then what else does."""
    sheet, info = _Map(), model.info
    for one in sorted(found.kinds, key=lambda one: one.kind.share):
        for place, picture in zip(_even_places(found, one.place), lit(one.images, info), strict=True):
            if sheet.put(place, picture, one.kind.name):
                break
    for place, picture in zip(_even_places(found, found.place), lit(found.images, info), strict=True):
        sheet.put(place, picture)
    return sheet.picture()


def _even_places(found: Analysis, place: Array) -> Array:
    """Where maps show points of `Analysis.place`: (N, 2) in [0, 1], mostly by rank among the samples, so that there is no crowd in the middle."""
    ranks = np.stack([np.searchsorted(np.sort(found.place[:, i]), place[:, i]) for i in range(2)], 1) / len(found.place)
    extent = np.ptp(found.place, axis=0)
    spread = (place - found.place.min(0)) / np.where(extent > 0, extent, 1)
    return np.clip(0.75 * ranks + 0.25 * spread, 0, 1)


def _kinds(model: TextureModel, found: Analysis, each: int = 8) -> Array:
    """A row of examples a kind, as a scanner shows them: some kinds are known by their relief alone."""
    latents = [one.kind.examples[np.arange(each) % len(one.kind.examples)] for one in found.kinds]
    labels = [line for one in found.kinds for line in [f"{one.kind.title}: {one.kind.share:.0%}"] + [""] * (each - 1)]
    pictures = model.generate(np.concatenate(latents), KIND_EDGE if model.info.size is None else None)
    return contact_sheet(lit(pictures, model.info), labels, columns=each, tile=124)


def _plot_kinds(found: Analysis, path: Path) -> None:
    """The map once more for each kind: all samples pale, its examples marked."""
    from matplotlib.figure import Figure

    columns = 5
    rows = -(-len(found.kinds) // columns)
    figure = Figure(figsize=(11, 1.75 * rows), layout="constrained")
    samples = _even_places(found, found.place)
    colors = 0.5 + 0.5 * np.stack([rgb(image).mean((0, 1)) for image in found.images]).clip(0, 1)
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
        if number < len(found.kinds):
            one = found.kinds[number]
            axes.scatter(*samples.T, s=5, color=colors, linewidths=0)
            axes.scatter(*_even_places(found, one.place).T, s=34, color=BLUE, edgecolors="white", linewidths=0.8)
            axes.set(xlim=(-0.03, 1.03), ylim=(1.03, -0.03))
            axes.set_title(f"{one.kind.name}, {one.kind.share:.0%}", fontsize=9, parse_math=False)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))


def _plot_angles(found: Analysis, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for values, color, name in ((found.mssim, BLUE, "MSSIM"), (found.features, ORANGE, "texture features (0: two random textures)")):
        axes.plot(found.angles, values.mean(1), "o-", color=color, label=name)
        # Not a deviation each way, which leads beyond 1: similarities near it are anything but normal.
        axes.fill_between(found.angles, *np.quantile(values, (1 / 6, 5 / 6), axis=1), color=color, alpha=0.18, linewidth=0)
    axes.set(xlabel="angle between two latents of the shell (degrees)", ylabel="similarity of their textures", xticks=found.angles)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower left")
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


def _shell(model: TextureModel, seed: int) -> Array:
    """One texture in the middle of it all: rows at growing angles from it; the last row leaves the shell along its radius."""
    rng = np.random.default_rng([seed, 2])
    middle, *ways = sample_directions(np.eye(model.latent_dim)[0], 0, 7, rng)
    latents, labels = [], []
    for degrees in (10, 20, 30, 45, 60, 90):
        for way in ways:
            across = way - (way @ middle) * middle
            angle = np.radians(degrees)
            latents.append(np.cos(angle) * middle + np.sin(angle) * across / np.linalg.norm(across))
            labels.append(f"{degrees} degrees")
    for radius in (0.0, 0.5, 0.75, 1.0, 1.25, 1.5):
        latents.append(radius * middle)
        labels.append(f"{radius:g} of the radius")
    pictures = model.generate(np.stack(latents) * model.info.prior_radius, _edge(model))
    return contact_sheet(pictures, labels, columns=6, tile=150)


def _directions(model: TextureModel, found: Analysis, seed: int) -> Array:
    start = found.latents[np.random.default_rng([seed, 3]).integers(len(found.latents))]
    moved = [along(start, direction.vector, amount, model.info.prior_radius) for direction in found.directions for amount in STEPS]
    labels = [f"{direction.name} {amount:+g}" if amount else direction.name for direction in found.directions for amount in STEPS]
    pictures = model.generate(np.stack(moved or [start]), _edge(model))
    return contact_sheet(pictures, labels or None, columns=len(STEPS), tile=150)


def _regions(model: TextureModel, found: Analysis, each: int = 7) -> Array:
    chosen, labels, marked = [], [], []
    for number, region in enumerate(found.regions, 1):
        marked.append(len(chosen))
        members = [int(i) for i in np.resize(region.members[:each], each)]
        chosen += members
        labels += [f"{number}: {region.share:.0%}"] + [""] * (each - 1)
    return contact_sheet(model.generate(found.latents[chosen], _edge(model)), labels, columns=each, tile=130, marked=marked)


def _facts(model: TextureModel, found: Analysis) -> dict[str, Any]:
    return {
        "model": model.info.name,
        "samples": len(found.latents),
        "map_explains": round(found.explained, 4),
        "directions": [
            {"name": d.name, "agreement": round(d.agreement, 4), "change": round(d.change, 4), "vector": d.vector.tolist()} for d in found.directions
        ],
        "regions": [
            {"share": round(r.share, 4), "traits": [{"name": n, "deviations": round(v, 3)} for n, v in r.traits], "latent": r.latent.tolist()}
            for r in found.regions
        ],
        "kinds": [{"name": k.kind.name, "title": k.kind.title, "share": k.kind.share, "regions": (1 + k.regions).tolist()} for k in found.kinds],
        "similarity_by_angle": [
            {"degrees": a, "mssim": [round(float(m.mean()), 4), round(float(m.std()), 4)], "features": [round(float(f.mean()), 4), round(float(f.std()), 4)]}
            for a, m, f in zip(found.angles, found.mssim, found.features, strict=True)
        ],
    }


_STYLE = """body{font:16px/1.55 system-ui,sans-serif;max-width:1060px;margin:2.5em auto;padding:0 1.2em;color:#222;background:#fbfaf7}
h1,h2{font-weight:600;line-height:1.2}h2{margin-top:2.2em}img{max-width:100%;border:1px solid #ddd8cc}
table{border-collapse:collapse}td,th{padding:.25em .9em .25em 0;text-align:left;border-bottom:1px solid #ddd8cc}p{max-width:46em}"""


def _page(model: TextureModel, found: Analysis) -> str:
    say = html.escape
    info = model.info
    size = "any size" if info.size is None else f"{info.size[1]} x {info.size[0]} pixels"
    directions = [(d.name, f"{d.agreement:.2f}", f"{d.change:.1f}") for d in found.directions]
    regions = [
        (str(i), f"{r.share:.0%}", ", ".join(_trait(*trait) for trait in r.traits), *([_kinds_in(found, i - 1)] if found.kinds else []))
        for i, r in enumerate(found.regions, 1)
    ]
    head = ("region", "share", "sets it apart", *(["kinds (a third of their examples or more)"] if found.kinds else []))
    by_angle = [
        (f"{a}", f"{m.mean():.3f} ± {m.std():.3f}", f"{f.mean():.2f} ± {f.std():.2f}")
        for a, m, f in zip(found.angles, found.mssim, found.features, strict=True)
    ]
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{say(info.title)}: an analysis</title><style>{_STYLE}</style>
<h1>{say(info.title)}</h1>
<p>The model {say(info.name)}: {info.latent_dim} latent dimensions, {size}, {say(", ".join(info.channels))}. Everything here was measured on
{len(found.latents)} random textures and on pairs of the shell that the prior's points lie on (radius {info.prior_radius:.1f}).</p>
<h2>A map of what it makes</h2>
<p>Textures that are alike in colour, contrast and structure lie together: the two principal components of their texture features, which show
{found.explained:.0%} of the variance. Places are evened out, so that nothing is crowded.</p><img src="map.png" alt="Map of textures">
{_kinds_section(found)}<h2>Regions</h2>
<p>{len(found.regions)} regions that cover the space, each with its share of the prior, and what sets it apart (in deviations from the mean).
The first of a row stands for the others.</p>{_table(head, regions)}<p></p><img src="regions.png" alt="Textures of each region">
<h2>How far is far</h2>
<p>How similarity falls with the angle between two latents: mean and, as a band, what two thirds of the pairs lie in; in the table
also the deviation over the pairs.</p><img src="angles.png" alt="Similarity by angle">
{_table(("degrees", "MSSIM", "texture features"), by_angle)}
<h2>Around one texture</h2>
<p>Rows at growing angles from one texture, each column one way; the last row leaves the shell along its radius, to the origin and beyond.</p>
<img src="shell.png" alt="Textures at several angles and radii">
<h2>Directions that change one thing</h2>
<p>Found by regression on the random textures and named by what they change; those of colour keep the brightness, the others brightness and colour, as far as a straight line can. Agreement is the correlation with the property on textures that
were not used to find them; change, in deviations of the property, is from one end of the shell to the other.</p>
{_table(("direction", "agreement", "change"), directions)}<p></p><img src="directions.png" alt="One texture moved along each direction">
</html>
"""


def _kinds_section(found: Analysis) -> str:
    if not found.kinds:
        return ""
    return """<h2>Kinds of washi</h2>
<p>The kinds that the model's bundle names, each with its share of all that the model makes, and latents that surely are of it by the recipe that the
model makes of them; how well it draws that kind, the eye must judge. A sheet may be of several kinds (of mulberry, with bark, dyed with indigo), so shares sum to more than 100%.
Pictures are as a scanner shows them, in light from one side. Below: where the examples lie on the map, on which each kind is named once;
a picture of the map shows so little of a sheet that its leaf or its flake may lie beside it.</p>
<img src="kinds.png" alt="Examples of each kind"><p></p>
<img src="kinds-map.png" alt="Where the examples of each kind lie on the map">
"""


def _kinds_in(found: Analysis, region: int) -> str:
    """Kinds that have a third of their examples or more in a region."""
    return ", ".join(one.kind.name for one in found.kinds if (one.regions == region).mean() >= 1 / 3)


def _trait(name: str, deviations: float) -> str:
    return f"{'more' if deviations > 0 else 'less'} {name} ({deviations:+.1f})"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return "<table><tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in head) + f"</tr>{cells}</table>"
