"""The batch export's figures: textures a minute by every way, what each costs beyond plain generation, and peak memory.

A section of scripts/benchmark.py. Plain generation is a loop in one process on all cores: generate a texture, derive its maps,
write the same files. The ways take turns, so that a busy machine disturbs all of them alike; start-up counts.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from washi_latent.core import WashiError, load_model, material_maps, write_map
from washi_latent.core.export import export as run_export
from washi_latent.core.export import plan
from washi_latent.core.items import Item
from washi_latent.core.recipe_reading import read_recipe

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]

RECIPE = '[export]\nmodels = ["washi-sheet"]\nsizes = [{size}]\nmaps = {maps}\n[[points]]\nseeds = "0-{last}"\n'


def export(_machine: dict[str, float], quick: bool) -> list[Row]:
    """Rows of the benchmark."""
    try:
        load_model("washi-sheet")
    except WashiError as error:
        return [{"what": "export", "note": str(error)}]
    rows: list[Row] = []
    sizes = ((512, 6),) if quick else ((512, 48), (1024, 24), (2048, 8))
    with _cluster() as address:
        for size, count in sizes:
            rows += _speed(size, count, 1 if quick else 3, address)
    return rows + _memory(quick)


def _speed(size: int, count: int, turns: int, address: str | None) -> list[Row]:
    ways: dict[str, Callable[[list[Item], Path], Any]] = {
        "plain generation, all cores": _plain,
        "1 process": run_export,
        "2 processes": lambda items, out: run_export(items, out, jobs=2),
    }
    if address is not None:
        ways["Dask, 2 workers"] = lambda items, out: run_export(items, out, scheduler=address)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(turns):
        for way, run in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                items = _items(Path(folder), size, count)
                began = time.perf_counter()
                run(items, Path(folder) / "out")
                seconds[way].append(time.perf_counter() - began)
    plain = seconds["plain generation, all cores"]
    rows: list[Row] = []
    for way, taken in seconds.items():
        over = float(np.median(np.divide(taken, plain))) - 1
        note = f"{count * 60 / np.median(taken):.1f} textures a minute" + ("" if taken is plain else f", {over:+.1%} over plain generation")
        rows.append({"what": f"{count} x {size}x{size} with 5 maps, {way}", "median": float(np.median(taken)), "overhead": over, "note": note})
    if address is None:
        rows.append({"what": "  Dask, 2 workers", "note": "distributed is not installed, left out"})
    return rows


def _items(folder: Path, size: int, count: int, maps: str = '["base_color", "height", "normal", "roughness", "opacity"]') -> list[Item]:
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(size=size, last=count - 1, maps=maps))
    return plan(read_recipe(recipe))


def _plain(items: list[Item], out: Path) -> None:
    out.mkdir()
    model = load_model("washi-sheet")
    for item in items:
        maps = material_maps(
            model.generate(item.latent, item.size, item.noise_seed)[0], model.info.channels, model.info.millimetres_per_pixel, model.info.tileable
        )
        for file, name in item.files().items():
            write_map(out / file, maps.map(name), name == "base_color", item.maps[name])


def _memory(quick: bool) -> list[Row]:
    """Peak memory of the command with few and many items; the largest of its processes."""
    if not Path("/proc/self/status").exists():
        return [{"what": "peak memory", "note": "is measured on Linux only, left out"}]
    rows: list[Row] = []
    for jobs in (1, 2):
        peaks: list[int] = []
        few, many = (5, 50) if quick else (10, 1000)
        for count in (few, many):
            with tempfile.TemporaryDirectory() as folder:
                _items(Path(folder), 64, count, '["base_color"]')
                peaks.append(_peak(Path(folder), jobs))
        more = peaks[1] / peaks[0] - 1
        note = f"{peaks[0] / 1024:.0f} MB with {few} textures, {peaks[1] / 1024:.0f} MB with {many}: {more:+.1%}"
        rows.append({"what": f"peak memory of a process, {jobs} of them", "peaks_kb": peaks, "note": note})
    return rows


_MEASURE = """
import pathlib, re, sys
from washi_latent.cli import main
assert main(sys.argv[1:]) == 0
def read(status):
    found = re.findall(r"(?m)^(PPid|Pid|VmHWM):\\s+(\\d+)", status)
    return {key: int(value) for key, value in found}
known = [read(path.read_text()) for path in pathlib.Path("/proc").glob("[0-9]*/status")]
me = read(pathlib.Path("/proc/self/status").read_text())["Pid"]
print(max(one.get("VmHWM", 0) for one in known if me in (one["Pid"], one["PPid"])))
"""


def _peak(folder: Path, jobs: int) -> int:
    """Peak resident memory, kB, of the command's largest process, as Linux keeps it."""
    arguments = ["export", str(folder / "recipe.toml"), "--out", str(folder / "out"), "--jobs", str(jobs)]
    done = subprocess.run([sys.executable, "-c", _MEASURE, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def _cluster() -> Generator[str | None, None, None]:
    """A Dask scheduler with two workers of one thread on this machine: its address, or None where Dask is not installed."""
    if find_spec("distributed") is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        file = Path(folder) / "scheduler.json"

        def start(kind: str, *options: str) -> None:
            command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard", *options]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--port", "0", "--no-show")
        while not (file.exists() and file.read_text()):
            time.sleep(0.05)
        for _ in range(2):
            start("worker", "--nthreads", "1", "--no-nanny")
        yield json.loads(file.read_text())["address"]
