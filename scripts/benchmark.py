"""Times what a user waits for, beside named peers and floors, in one run: medians, and ratios that hold when the machine is busy.

    python scripts/benchmark.py [--json] [--quick] [--only generation mssim clustering growth step find sequence export] [--plots docs/images]

Peers are optional (pip install 'washi-latent[benchmark]'); one that is not installed is said and left out. A floor is what the
operations and bytes alone would take at this machine's own matrix-product rate and copy bandwidth, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from benchmark_export import export
from benchmark_growth import growth, plot

from washi_latent.core import Search, SearchSettings, WashiError, choose_representatives, find_latents, interpolate, load_model, mssim_matrix
from washi_latent.core.find import preview_edge
from washi_latent.core.models import SheetModel, TextureModel
from washi_latent.core.preference import features_of
from washi_latent.core.search import ALL_PAIRS, REFERENCES, similarities
from washi_latent.core.similarity import WINDOW, _band

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and smaller sizes")
    parser.add_argument("--only", nargs="+", choices=sorted(SECTIONS), help="these sections")
    parser.add_argument("--plots", type=Path, help="also draw the section growth into this folder, as growth.png")
    chosen = parser.parse_args()
    machine = ceilings()
    rows: list[Row] = []
    for name, section in SECTIONS.items():
        if not chosen.only or name in chosen.only:
            rows += [{"section": name, **row} for row in section(machine, chosen.quick)]
    grown = [row for row in rows if row["section"] == "growth"]
    if chosen.plots and grown:
        plot(grown, chosen.plots)
    if chosen.json:
        print(json.dumps({"machine": machine, "rows": rows}, indent=1))
        return
    print(f"matrix products: {machine['gflops']:.0f} GFLOP/s (float32); copies: {machine['gbytes']:.1f} GB/s, read and written")
    for row in rows:
        print(f"{row['section']:11} {row['what']:58} {_seconds(row.get('median')):>10}  {row.get('note', '')}")


def ceilings() -> dict[str, float]:
    """This machine's float32 matrix-product rate and copy bandwidth, now."""
    a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    b = np.empty(1 << 25, np.float32)
    c = np.ones_like(b)
    product, copy = median(lambda: a @ a, 7), median(lambda: np.copyto(b, c), 7)
    return {"gflops": 2 * 1024**3 / product / 1e9, "gbytes": 2 * b.nbytes / copy / 1e9}


def median(call: Callable[[], Any], times: int) -> float:
    """Seconds of one call, after one that is not counted."""
    return in_turn([call], times)[0]


def in_turn(calls: Sequence[Callable[[], Any]], times: int) -> list[float]:
    """Seconds of calls that are compared, each as `median` gives it: a machine that grows slower is so for all of them."""
    seconds = [[_timed(call) for call in calls] for _ in range(times + 1)]
    return np.median(seconds[1:], axis=0).tolist()


def _timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def floor(machine: dict[str, float], flop: float, moved: float) -> float:
    """Seconds that operations and bytes alone would take."""
    return max(flop / machine["gflops"] / 1e9, moved / machine["gbytes"] / 1e9)


# Sections


def mssim(machine: dict[str, float], quick: bool) -> list[Row]:
    rows: list[Row] = []
    for count, edge in ((50, 64),) if quick else ((50, 64), (256, 128)):
        images = np.random.default_rng(0).random((count, edge, edge), dtype=np.float32)
        pairs, inner = count * (count - 1) // 2, edge - WINDOW + 1
        # One product a pixel, the window as two banded products (11 taps each way), then 14 steps a pixel of the map.
        flop = pairs * (edge * edge + 2 * WINDOW * inner * edge + 2 * WINDOW * inner * inner + 14 * inner * inner)
        least = floor(machine, flop, pairs * edge * edge * 4)
        name = f"{count} gray {edge}x{edge}, all {pairs} pairs"
        times = 15 if edge == 64 else 2
        ours, products = in_turn([lambda x=images: mssim_matrix(x), lambda n=pairs, e=edge: _banded_products(n, e)], times)
        # Those products at the rate of large ones, which no library reaches with small ones.
        best = floor(machine, pairs * 2 * edge * inner * (edge + inner), pairs * edge * edge * 4)
        note = f"{ours / products:.1f} x its banded matrix products alone by NumPy, {_seconds(products)}; "
        note += f"{ours / best:.1f} x the floor of these, {_seconds(best)}; {ours / least:.1f} x that of the window's taps alone, {_seconds(least)}"
        rows.append({"what": name, "median": ours, "products": products, "floor_of_products": best, "floor": least, "note": note})
        if edge == 64 or not quick:
            rows += [_peer(ours, peer, call, images) for peer, call in PEERS.items() if edge == 64]
    return rows


def _banded_products(pairs: int, edge: int) -> None:
    """The window over the products of all pairs as a matrix library takes it, some pairs at a time: whole bands, zeros and all."""
    some = max(n for n in range(1, 65) if pairs % n == 0)
    band = _band(edge).astype(np.float32)
    across = np.ascontiguousarray(band.T)
    beside = np.ones((edge, some * edge), np.float32)
    lines, filtered = np.empty((len(band), some * edge), np.float32), np.empty((len(band) * some, len(band)), np.float32)
    for _ in range(pairs // some):
        np.matmul(band, beside, out=lines)
        np.matmul(lines.reshape(-1, edge), across, out=filtered)


def _peer(ours: float, peer: str, call: Callable[[np.ndarray], Any], images: np.ndarray) -> Row:
    if find_spec(peer.split(maxsplit=1)[0].replace("-", "_").replace("scikit_image", "skimage")) is None:
        return {"what": f"  {peer}", "note": "not installed, left out"}
    seconds = median(lambda: call(images), 2)
    return {"what": f"  {peer}", "median": seconds, "ratio": seconds / ours, "note": f"ours is {seconds / ours:.1f} times as fast"}


def _scikit_image(images: np.ndarray) -> None:
    from skimage.metrics import structural_similarity

    for i in range(len(images)):
        for j in range(i + 1, len(images)):
            structural_similarity(images[i], images[j], gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)


def _batched(images: np.ndarray, similarity: Callable[[Any, Any], Any]) -> None:
    """A peer's best form here: each picture against all later ones in one batch."""
    import torch

    tensors = torch.from_numpy(images)[:, None]
    with torch.inference_mode():
        for i in range(len(images) - 1):
            rest = tensors[i + 1 :]
            similarity(tensors[i : i + 1].expand_as(rest).contiguous(), rest)


def _pytorch_msssim(images: np.ndarray) -> None:
    from pytorch_msssim import ssim

    _batched(images, lambda a, b: ssim(a, b, data_range=1, size_average=False))


def _torchmetrics(images: np.ndarray) -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    _batched(images, lambda a, b: structural_similarity_index_measure(a, b, data_range=1.0, reduction="none"))


def _piq(images: np.ndarray) -> None:
    from piq import ssim

    _batched(images, lambda a, b: ssim(a, b, data_range=1.0, reduction="none"))


PEERS: dict[str, Callable[[np.ndarray], None]] = {
    "scikit-image in a loop": _scikit_image,
    "pytorch-msssim by rows": _pytorch_msssim,
    "torchmetrics by rows": _torchmetrics,
    "piq by rows": _piq,
}


def generation(machine: dict[str, float], quick: bool) -> list[Row]:
    rows: list[Row] = []
    for name, count, edge in (("washi-dcgan-64", 50, None), ("washi-sheet", 50, 128), ("washi-sheet", 1, 1024), ("washi-sheet", 1, 4096)):
        if quick and edge == 4096:
            continue
        for backend in ("onnx", "torch"):
            try:
                model = load_model(name, backend)  # type: ignore[arg-type]
            except WashiError as error:
                rows.append({"what": f"{name}, {backend}", "note": str(error)})
                continue
            latents = np.random.default_rng(0).normal(size=(count, model.latent_dim))
            began = time.perf_counter()
            image = model.generate(latents, edge)
            first = time.perf_counter() - began
            again = median(lambda m=model, z=latents, e=edge: m.generate(z, e), 1 if edge == 4096 else 3)
            least = floor(machine, _operations(model) * image.shape[0] * image.shape[1] * image.shape[2], image.nbytes)
            what = f"{count} x {image.shape[1]}x{image.shape[2]} of {name}, {backend}"
            note = f"first {_seconds(first)}; {again / least:.1f} x the floor of {_seconds(least)}"
            if isinstance(model, SheetModel) and backend == "onnx" and edge:
                # A paper that shows something of everything.
                began = time.perf_counter()
                model.fields(edge, edge, 1)
                model.generate(latents, edge, 1)
                note += f"; first with every field {_seconds(time.perf_counter() - began)}"
            rows.append(
                {
                    "what": what,
                    "median": again,
                    "first": first,
                    "floor": least,
                    "note": note,
                }
            )
    return rows


def memory(_machine: dict[str, float], quick: bool) -> list[Row]:
    rows: list[Row] = []
    for edge in (1024,) if quick else (1024, 4096):
        make = f"m = load_model('washi-sheet'); m.fields({edge}, {edge}, 0); m.generate(np.zeros(100), {edge})"  # with every field
        code = f"from washi_latent.core import load_model; import numpy as np; {make}; {_PEAK}"
        done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[1], capture_output=True, text=True, check=False)
        if done.returncode:
            rows.append({"what": f"{edge}x{edge} of washi-sheet, memory", "note": done.stderr.strip().splitlines()[-1]})
        else:
            peak = int(done.stdout) / 2**20
            rows.append({"what": f"{edge}x{edge} of washi-sheet, peak memory of the process", "gigabytes": peak, "note": f"{peak:.2f} GiB"})
    return rows


# What getrusage says of a child begins with its parent's peak; the kernel's own count begins with the program.
_PEAK = "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"


def _operations(model: TextureModel) -> float:
    """Floating-point operations of one pixel."""
    if model.info.architecture == "dcgan":
        f = int(model.info.options.get("features", 64))
        layers = [(100, 8 * f, 1), (8 * f, 4 * f, 4), (4 * f, 2 * f, 8), (2 * f, f, 16), (f, 3, 32)]
        return sum(2 * a * b * 16 * edge * edge for a, b, edge in layers) / 64**2
    f, fields, channels = int(model.info.options["features"]), len(model.info.options["fields"]), len(model.info.channels)
    sizes = [(kind[0], int(kind[1:])) for kind in model.info.options["layers"]]
    layers = sum(size**2 * f * f if kind == "c" else size**2 * f + f * f for kind, size in sizes)
    return 2 * (fields * f + layers + f * (channels + len(model.info.options.get("pieces", ()))))


def clustering(_machine: dict[str, float], quick: bool) -> list[Row]:
    images = np.random.default_rng(0).random((50, 32, 32), dtype=np.float32).cumsum(1) / 32
    matrix = mssim_matrix(images)
    times = 3 if quick else 9
    rows: list[Row] = [
        {"what": f"8 of 50 by {method}", "median": median(lambda m=method: choose_representatives(matrix, 8, m, np.random.default_rng(0)), times)}
        for method in ("coverage", "medoids", "paper")
    ]
    many = np.random.default_rng(0).random((1000, 64, 64, 3), dtype=np.float32)
    estimated, measured = in_turn([lambda: similarities(many), lambda: similarities(many[:ALL_PAIRS])], 2)
    pairs = 1000 * 999 / (ALL_PAIRS * (ALL_PAIRS - 1))
    note = f"through {REFERENCES} references; all pairs, by the number of pairs from {ALL_PAIRS}: {_seconds(measured * pairs)}"
    return [*rows, {"what": "similarities of 1000 colour 64x64", "median": estimated, "all_pairs": measured * pairs, "note": note}]


def step(_machine: dict[str, float], quick: bool) -> list[Row]:
    rows: list[Row] = []
    for name, model in _models(rows):
        settings = SearchSettings(samples=50)
        search = Search(model, settings=settings)
        search.sample()

        def whole(search: Search = search) -> None:
            search.others()
            search.sample()

        latents = search.sample().latents
        seconds, alone = in_turn([whole, lambda m=model, z=latents, s=search: m.generate(z, s._edge())], 2 if quick else 10)
        rows.append(
            {
                "what": f"a step of 50 samples of {name}",
                "median": seconds,
                "ratio": seconds / alone,
                "note": f"{seconds / alone:.2f} x generation alone ({_seconds(alone)})",
            }
        )
    return rows


def find(_machine: dict[str, float], quick: bool) -> list[Row]:
    """A find from a picture, beside comparing it with 2,000 random textures (a tenth of them is made)."""
    rows: list[Row] = []
    for name, model in _models(rows):
        rng = np.random.default_rng(3)
        picture = model.generate(rng.normal(size=model.latent_dim), preview_edge(model))[0, ..., :3]
        seconds = median(lambda m=model, p=picture: find_latents(m, p, 1), 2 if quick else 4)
        random = rng.normal(size=(200, model.latent_dim))
        tenth = median(lambda m=model, z=random: features_of(m, z, 0), 2 if quick else 4)
        note = f"{seconds / (10 * tenth):.2f} x making 2,000 random textures and their features"
        rows.append({"what": f"a find from a picture with {name}", "median": seconds, "ratio": seconds / (10 * tenth), "note": note})
    return rows


def sequence(_machine: dict[str, float], quick: bool) -> list[Row]:
    rows: list[Row] = []
    for name, model in _models(rows):
        a, b = np.random.default_rng(0).normal(size=(2, model.latent_dim))
        for spacing in ("even", "similarity"):
            made = interpolate(model, a, b, 10, spacing)  # type: ignore[arg-type]
            seconds = median(lambda m=model, s=spacing, a=a, b=b: interpolate(m, a, b, 10, s), 1 if quick else 2)
            rows.append(
                {"what": f"12 textures of {name}, spacing {spacing}", "median": seconds, "note": f"{made.metrics.evaluations} textures generated to find them"}
            )
    return rows


def _models(rows: list[Row]) -> Iterator[tuple[str, TextureModel]]:
    """The shipped models by name; of one that can't be loaded a row says why."""
    for name in ("washi-dcgan-64", "washi-sheet"):
        try:
            yield name, load_model(name)
        except WashiError as error:
            rows.append({"what": name, "note": str(error)})


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


SECTIONS: dict[str, Callable[[dict[str, float], bool], list[Row]]] = {
    "generation": generation,
    "memory": memory,
    "mssim": mssim,
    "clustering": clustering,
    "growth": growth,
    "step": step,
    "find": find,
    "sequence": sequence,
    "export": export,
}

if __name__ == "__main__":
    main()
