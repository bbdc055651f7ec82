"""How fast does a search get an artist to what is in mind? Simulated artists with hidden targets, ours beside peers.

    python scripts/evaluate_search.py run --model washi-sheet --work /tmp/search-yardstick [--methods ours paper ...] [--targets 30]
    python scripts/evaluate_search.py table --work /tmp/search-yardstick [--plots docs/images]
    python scripts/evaluate_search.py aim --work /tmp/search-yardstick
    python scripts/evaluate_search.py find --model washi-sheet [--targets 20]

An artist has a target picture in mind. At every step it looks at what a method shows and takes the one most like the target,
or stays where it is if nothing is nearer. "best" always takes the best choice; "noisy" takes it half of the time, and otherwise
one of the others, nearer ones more often (softmax whose temperature makes the best choice's probability one half).

Nobody is measured by its own judge: the artist judges by colour moments and a Gabor filter bank, the methods compare pictures by
what they like (MSSIM, spectra), and a held-out third judge, a bank of random convolutions (Ustyuzhaninov 2016), has no say in
any search. A similarity of 0 means as unlike as two random textures of the model are on average, 1 equal.

Work is kept as one JSON line per (model, method, artist, target), so that a run can be cut and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402 - one thread is asked for before NumPy loads
from search_peers import METHODS, Player  # noqa: E402

from washi_latent.core import TextureModel, find_latents, load_model, read_image, texture_features  # noqa: E402
from washi_latent.core.find import counted, sought  # noqa: E402
from washi_latent.core.images import resize, rgb  # noqa: E402
from washi_latent.core.preference import survey  # noqa: E402

EDGE = 64
STEPS = 20
REPORTED = (1, 3, 5, 10, 20)
ARTISTS = ("best", "noisy")
KINDS = ("prior", "shell", "sheet", "scan")
JUDGES = ("artist", "held_out", "mssim")


# Judges


class Judge:
    """Similarity of textures to a target: 1 less the distance of features, in units of the mean distance of two random textures."""

    def __init__(self, features: Callable[[np.ndarray], np.ndarray], typical: np.ndarray, groups: tuple[int, ...]) -> None:
        self._features = features
        values = features(typical)
        self._mean = values.mean(0)
        self._scale = (values.std(0) + 1e-6) * np.sqrt(np.concatenate([np.full(n, n) for n in groups]))
        points = self(typical)
        half = len(points) // 2
        self.unit = float(np.linalg.norm(points[:half] - points[half : 2 * half], axis=1).mean())

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """(N, F) coordinates of (N, H, W, C) pictures."""
        return (self._features(pictures) - self._mean) / self._scale

    def similarity(self, pictures: np.ndarray, target: np.ndarray) -> np.ndarray:
        """(N,) similarities to a target's coordinates (F,)."""
        return 1 - np.linalg.norm(self(pictures) - target, axis=1) / self.unit


def artist_features(pictures: np.ndarray) -> np.ndarray:
    """(N, 41): moments of colour, and by scale and direction of a log-Gabor bank the energy, by scale how sparse and uneven it is."""
    from scipy.fft import fft2, ifft2

    images = colors(pictures)
    opponent = images @ np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]], np.float32).T
    mean, deviation = opponent.mean((1, 2)), np.sqrt(opponent.var((1, 2)) + 1e-7)
    contrast = opponent[..., 0] - mean[:, :1, None]
    parts = [mean, np.log(deviation), np.arcsinh((contrast**3).mean((1, 2)) / deviation[:, 0] ** 3)[:, None]]
    spectrum = fft2(contrast)
    for scale in _log_gabor(contrast.shape[1]):
        power = np.abs(ifft2(spectrum[:, None] * scale)) ** 2
        energy = power.mean((2, 3)) + 1e-9
        sparse = (power**2).mean((1, 2, 3)) / (power.mean((1, 2, 3)) + 1e-9) ** 2
        local = power.sum(1).reshape(len(power), 4, power.shape[2] // 4, 4, -1).mean((2, 4)).reshape(len(power), -1)
        uneven = local.std(1) / (local.mean(1) + 1e-9)
        total = energy.mean(1, keepdims=True)
        parts += [np.log(total), energy / total - 0.25, np.log1p(sparse)[:, None], np.log1p(uneven)[:, None]]
    return np.concatenate(parts, 1)


ARTIST_GROUPS = (3, 4, 28)


@cache
def _log_gabor(size: int) -> np.ndarray:
    """(scales, directions, size, size) of a one-sided log-Gabor bank, an octave a scale."""
    y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    radius[0, 0] = 1
    bank = [
        [
            np.exp(-(np.log2(radius / f) ** 2) / (2 * 0.55**2))
            * np.exp(-(np.angle(np.exp(1j * (angle - np.pi * k / 4))) ** 2) / (2 * 0.45**2))
            * (radius < 0.6)
            for k in range(4)
        ]
        for f in (0.35, 0.18, 0.09, 0.045)
    ]
    result = np.array(bank, np.float32)
    result[..., 0, 0] = 0
    return result


def held_out_features(pictures: np.ndarray) -> np.ndarray:
    """(N, 168): log mean and deviation of what random filters answer, at three scales, and mean colour."""
    from numpy.lib.stride_tricks import sliding_window_view

    bank = _random_filters()
    images = colors(pictures)
    parts = [images.mean((1, 2))]
    for _ in range(3):
        windows = sliding_window_view(images, (5, 5), (1, 2))[:, ::2, ::2]
        answers = np.maximum(windows.reshape(*windows.shape[:3], -1) @ bank, 0)
        parts += [np.log(answers.mean((1, 2)) + 1e-4), np.log(answers.std((1, 2)) + 1e-4)]
        images = images.reshape(len(images), images.shape[1] // 2, 2, -1, 2, 3).mean((2, 4))
    return np.concatenate(parts, 1)


@cache
def _random_filters(count: int = 28) -> np.ndarray:
    bank = np.random.default_rng(2016).normal(size=(75, count)).astype(np.float32)
    bank -= bank.mean(0)
    return bank / np.linalg.norm(bank, axis=0)


def colors(pictures: np.ndarray) -> np.ndarray:
    return np.stack([rgb(p) for p in pictures])


# Targets


@dataclass(frozen=True)
class Target:
    kind: str
    number: int
    picture: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"


def targets(model: TextureModel, counts: dict[str, int], scans: Path | None, patches: int = 1) -> Iterator[Target]:
    """Hidden targets: samples of the model, and pictures that it did not make. The first of each kind are the same, however many are asked for."""
    size = EDGE if model.info.size is None else None
    for kind in ("prior", "shell"):
        for i in range(counts[kind]):
            yield Target(kind, i, colors(model.generate(_hidden(model, kind, i), size))[0])
    for i in range(counts["sheet"]):
        yield Target("sheet", i, _simulated(i))
    for i, picture in enumerate(islice(_patches(scans, patches) if scans else (), counts["scan"])):
        yield Target("scan", i, picture)


def _hidden(model: TextureModel, kind: str, number: int) -> np.ndarray:
    """A latent (D,) of the prior, or one of its shell."""
    batch, place = divmod(number, 64)
    rng = np.random.default_rng([20_26, batch] if batch else 20_26)
    latent = rng.normal(size=(2 * 64, model.latent_dim))[place + 64 * (kind == "shell")]
    return latent if kind == "prior" else latent / np.linalg.norm(latent) * model.info.prior_radius


def _patches(scans: Path, each: int) -> Iterator[np.ndarray]:
    """Patches of 128 pixels beside each other: the first of every scan, then the second of all that have one, and so on."""
    edge = 2 * EDGE
    sheets = [rgb(read_image(file)) for file in sorted(scans.glob("*.png"))]
    for number, sheet in product(range(each), sheets):
        rows, columns = (max(1, length // edge) for length in sheet.shape[:2])
        if number < rows * columns:
            top, left = (edge * k for k in divmod(number, columns))
            yield resize(sheet[top : top + edge, left : left + edge], EDGE, EDGE)


def _simulated(number: int) -> np.ndarray:
    """A patch of a sheet that no model was trained on: seeds of its own."""
    from washi_latent.training.washi import random_kind, synthesize

    rng = np.random.default_rng([77, number])
    sheet = synthesize(random_kind(rng), 256, 900_000 + number).scan()
    return np.ascontiguousarray(sheet[:EDGE, :EDGE], np.float32)


# Artists


def choose(artist: str, similarities: np.ndarray, rng: np.random.Generator) -> int:
    """Which of the options the artist takes."""
    best = int(similarities.argmax())
    if artist == "best" or len(similarities) == 1:
        return best
    return int(rng.choice(len(similarities), p=noisy_choice(similarities)))


def noisy_choice(similarities: np.ndarray) -> np.ndarray:
    """Softmax whose temperature makes the best option's probability one half."""
    gaps = similarities - similarities.max()
    low, high = 1e-3, 1e6
    for _ in range(60):
        middle = np.sqrt(low * high)
        weights = np.exp(middle * gaps)
        low, high = (middle, high) if 1 / weights.sum() < 0.5 else (low, middle)
    return weights / weights.sum()


def session(player: Player, artist: str, target: Target, judges: dict[str, Judge], rng: np.random.Generator) -> dict[str, Any]:
    """One artist, one target, `STEPS` steps: similarity after each, pictures shown, milliseconds."""
    wanted = {name: judge(target.picture[None])[0] for name, judge in judges.items()}
    series: dict[str, list[float]] = {name: [] for name in JUDGES}
    shown, seconds = 0, 0.0
    here: tuple[np.ndarray, float] | None = None
    for _ in range(STEPS):
        began = time.process_time()
        pictures = player.show()
        seconds += time.process_time() - began
        shown += len(pictures)
        options = judges["artist"].similarity(pictures, wanted["artist"])
        staying = here is not None and player.can_stay
        choice = choose(artist, np.append(options, here[1]) if staying and here else options, rng)
        stays = choice == len(options)
        if not stays:
            here = pictures[choice], float(options[choice])
        began = time.process_time()
        player.choose(None if stays else choice)
        seconds += time.process_time() - began
        assert here is not None
        series["artist"].append(here[1])
        series["held_out"].append(float(judges["held_out"].similarity(here[0][None], wanted["held_out"])[0]))
        series["mssim"].append(_mssim(here[0], target.picture))
    return {"curves": {n: [round(v, 5) for v in s] for n, s in series.items()}, "shown": shown / STEPS, "ms": seconds / STEPS * 1000}


def _mssim(a: np.ndarray, b: np.ndarray) -> float:
    from washi_latent.core import mssim

    return mssim(rgb(a), b)


# Running


def run(arguments: argparse.Namespace) -> None:
    arguments.work.mkdir(parents=True, exist_ok=True)
    file = arguments.work / "results.jsonl"
    done = {key_of(row) for row in rows_of(file)}
    model = load_model(arguments.model, threads=1)
    typical = model.generate(np.random.default_rng(99).normal(size=(400, model.latent_dim)), EDGE if model.info.size is None else None)
    judges = {"artist": Judge(artist_features, typical, ARTIST_GROUPS), "held_out": Judge(held_out_features, typical, (3, *(28,) * 6))}
    every = asked(model, arguments)
    for place, target in enumerate(every):
        # All methods meet a target before the next one comes: a run that is cut compares like with like.
        for method, artist in product(arguments.methods or METHODS, arguments.artists):
            row = {"model": model.info.name, "method": method, "artist": artist, "kind": target.kind, "target": target.name}
            if key_of(row) in done:
                continue
            seed = zlib.crc32(target.name.encode())
            player = METHODS[method](model, seed, None if model.info.size else EDGE)
            # The same draws of the artist's mind for every method.
            row |= session(player, artist, target, judges, np.random.default_rng([seed, ARTISTS.index(artist)]))
            with file.open("a") as out:
                out.write(json.dumps(row) + "\n")
        print(f"{model.info.name}: {place + 1} of {len(every)} targets", flush=True)


def asked(model: TextureModel, arguments: argparse.Namespace) -> list[Target]:
    """The hidden targets that a command is to use, kinds in turn: a run that is cut has some of each."""
    return sorted(targets(model, counts_of(arguments.targets), arguments.scans, arguments.patches), key=lambda target: target.number)


def counts_of(total: int) -> dict[str, int]:
    """Targets of each kind: of 30, 9 of the prior, 7 of the shell, 8 simulated sheets and 6 scans."""
    shares = {"prior": 0.3, "shell": 0.23, "sheet": 0.27, "scan": 0.2}
    return {kind: max(1, round(share * total)) for kind, share in shares.items()}


def key_of(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[k] for k in ("model", "method", "artist", "target"))


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def joined(works: list[Path]) -> list[dict[str, Any]]:
    """Rows of several runs, each once."""
    return list({key_of(row): row for work in works for row in rows_of(work / "results.jsonl")}.values())


# Saying it


def table(arguments: argparse.Namespace) -> None:
    rows = joined(arguments.work)
    for model in sorted({r["model"] for r in rows}):
        for artist in ARTISTS:
            chosen = [r for r in rows if r["model"] == model and r["artist"] == artist]
            if chosen:
                _table(model, artist, chosen, arguments)
    if arguments.plots:
        plot(rows, arguments.plots)


def _table(model: str, artist: str, rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    judge, kinds = arguments.judge, arguments.kinds or KINDS
    print(f"\n{model}, {artist} artist, targets {', '.join(kinds)}, judged by {judge}: mean ± standard error after so many steps\n")
    print(
        "| method | targets | " + " | ".join(map(str, REPORTED)) + " | steps to the paper's at 10 | ours is better, at 5 | at 10 | shown a step | ms a step |"
    )
    print("|---|---|" + "---|" * (len(REPORTED) + 5))
    curves = {m: {r["target"]: np.array(r["curves"][judge]) for r in rows if r["method"] == m and r["kind"] in kinds} for m in methods_of(rows)}
    curves = {m: by_target for m, by_target in curves.items() if by_target}
    for method in sorted(curves, key=lambda m: -np.mean([c[9] for c in curves[m].values()])):
        own, some = curves[method], [r for r in rows if r["method"] == method]
        curve = np.array(list(own.values()))
        values = " | ".join(said(curve[:, s - 1]) for s in REPORTED)
        better = [said(np.array([curves["ours"][t][s - 1] - own[t][s - 1] for t in own if t in curves["ours"]])) if method != "ours" else "" for s in (5, 10)]
        shown, ms = np.mean([r["shown"] for r in some]), np.median([r["ms"] for r in some])
        print(f"| {method} | {len(own)} | {values} | {steps_to_paper(own, curves['paper'])} | {better[0]} | {better[1]} | {shown:.0f} | {ms:.0f} |")


def aim(arguments: argparse.Namespace) -> None:
    """Is ours after 5 steps where the paper's is after 10, by kind of target?"""
    rows = joined(arguments.work)
    print(f"judged by {arguments.judge}: mean ± standard error, on targets that both have met\n")
    print("| model | artist | kind | targets | ours after 5 | the paper's after 10 | difference | steps of ours to the paper's at 10 |")
    print("|---|---|---|---|---|---|---|---|")
    for model, artist, kind in product(sorted({r["model"] for r in rows}), ARTISTS, ("all", *KINDS)):
        some = [r for r in rows if r["model"] == model and r["artist"] == artist and kind in ("all", r["kind"])]
        ours, paper = ({r["target"]: np.array(r["curves"][arguments.judge]) for r in some if r["method"] == method} for method in ("ours", "paper"))
        both = [t for t in ours if t in paper]
        if both:
            after_5, after_10 = np.array([ours[t][4] for t in both]), np.array([paper[t][9] for t in both])
            figures = f"{said(after_5)} | {said(after_10)} | {said(after_5 - after_10)} | {steps_to_paper(ours, paper)}"
            print(f"| `{model}` | {artist} | {kind} | {len(both)} | {figures} |")


def methods_of(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(r["method"] for r in rows))


def said(values: np.ndarray) -> str:
    """Mean ± standard error."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}" if len(values) > 1 else "-"


def steps_to_paper(own: dict[str, np.ndarray], paper: dict[str, np.ndarray]) -> str:
    """Steps after which a method has what the paper's has after 10, on the targets that both have met."""
    both = [t for t in own if t in paper]
    return steps_to(np.mean([own[t] for t in both], 0), float(np.mean([paper[t][9] for t in both])))


def steps_to(curve: np.ndarray, goal: float) -> str:
    """The first step at which a mean curve reaches a goal."""
    reached = np.flatnonzero(curve >= goal - 1e-9)
    return str(reached[0] + 1) if len(reached) else f"over {STEPS}"


def plot(rows: list[dict[str, Any]], folder: Path) -> None:
    """Mean curves over the targets that all methods have met."""
    from matplotlib.figure import Figure

    for model in sorted({r["model"] for r in rows}):
        figure = Figure(figsize=(12.5, 5.2), layout="constrained")
        for axes, artist in zip(figure.subplots(1, 2, sharey=True), ARTISTS, strict=True):
            chosen = [r for r in rows if r["model"] == model and r["artist"] == artist]
            met = set.intersection(*({r["target"] for r in chosen if r["method"] == m} for m in methods_of(chosen)))
            for number, method in enumerate(sorted(methods_of(chosen), key=lambda m: (m != "ours", m != "paper"))):
                curve = np.mean([r["curves"]["artist"] for r in chosen if r["method"] == method and r["target"] in met], 0)
                style = {"color": ("#e07b00", "#1f5fa9")[number], "linewidth": 3.0, "zorder": 5} if number < 2 else _thin(number - 2)
                axes.plot(range(1, STEPS + 1), curve, label=method, **style)
            axes.set(title=f"{model}, {artist} artist, {len(met)} targets", xlabel="steps", ylabel="similarity to what is in mind", xticks=(1, 5, 10, 15, 20))
            axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(folder / f"search-{model}.png", dpi=100)


def _thin(number: int) -> dict[str, Any]:
    """A line's style that no other one has."""
    colors = ("#2a9d4a", "#c03a3a", "#7b52ab", "#8a6d4f", "#d16ba5", "#5f6a72", "#17a2b8")
    return {"color": colors[number % len(colors)], "linestyle": ("-", "--", ":")[number // len(colors) % 3], "linewidth": 1.3}


def find(arguments: argparse.Namespace) -> None:
    """Latents found from pictures against the best of 2,000 random ones: chosen by the same features, and by the held-out judge itself."""
    model = load_model(arguments.model, threads=1)
    size = EDGE if model.info.size is None else None
    judge = Judge(held_out_features, model.generate(np.random.default_rng(99).normal(size=(400, model.latent_dim)), size), (3, *(28,) * 6))
    random = model.generate(np.random.default_rng(7).normal(size=(2000, model.latent_dim)), size)
    space = survey(model, 0)
    points, judged = counted(space(texture_features(random))), judge(random)
    rows = []
    for target in asked(model, arguments):
        began = time.process_time()
        found = model.generate(find_latents(model, target.picture, 1), size)
        seconds = time.process_time() - began
        wanted = judge(target.picture[None])[0]
        similarity = 1 - np.linalg.norm(judged - wanted, axis=1) / judge.unit
        chosen = np.linalg.norm(points - sought(space, texture_features(target.picture[None])), axis=1).argmin()
        rows.append((judge.similarity(found, wanted)[0], similarity[chosen], similarity.max(), seconds))
    ours, same, best, seconds = np.array(rows).T
    print(f"{model.info.name}, {len(rows)} targets, held-out similarity: found {ours.mean():.3f}; of 2,000 random the nearest by the same")
    print(f"features {same.mean():.3f}, beaten for {(ours > same).mean():.0%}; the nearest by the held-out judge itself {best.mean():.3f}, beaten for")
    print(f"{(ours > best).mean():.0%}; processor seconds a find, one thread {np.median(seconds):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    running, showing, aiming, finding = (commands.add_parser(name) for name in ("run", "table", "aim", "find"))
    finding.set_defaults(call=find)
    running.set_defaults(call=run)
    running.add_argument("--methods", nargs="+", choices=METHODS)
    running.add_argument("--artists", nargs="+", choices=ARTISTS, default=ARTISTS)
    for one in (running, finding):
        one.add_argument("--model", default="washi-sheet")
        one.add_argument("--targets", type=int, default=30, help="hidden targets in all (default 30)")
        one.add_argument("--scans", type=Path, help="a folder of scanned papers as further targets")
        one.add_argument("--patches", type=int, default=1, help="patches of each scan (default 1)")
    showing.set_defaults(call=table)
    aiming.set_defaults(call=aim)
    showing.add_argument("--kinds", nargs="+", choices=KINDS)
    showing.add_argument("--plots", type=Path, help="also draw the curves into this folder")
    running.add_argument("--work", type=Path, required=True, help="folder for results.jsonl, outside the repository")
    for one in (showing, aiming):
        one.add_argument("--judge", choices=JUDGES, default="artist")
        one.add_argument("--work", type=Path, required=True, nargs="+", help="folders of results.jsonl; several runs are joined")
    chosen = parser.parse_args()
    chosen.call(chosen)


if __name__ == "__main__":
    main()
