"""Batch export: a recipe's textures into a folder, on one core, on many (joblib), on a Dask cluster, or split over a farm.

Items are independent (`core/items.py`), so that every way gives the same bytes, and a run that was cut goes on with what is
missing. What is in the making lies in a folder of the run's own; the next run removes those of runs that were killed. The
manifest is nothing but the sidecars, collected at the end under a lock: shards and runs at the same time write it one after
the other, and the last one sees everything.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np

from .errors import WashiError
from .images import cannot_write, free_bytes, make_folder, write_json
from .items import (
    MANIFEST,
    PROGRAM,
    WORK,
    Item,
    checksum_of,
    file_list,
    is_done,
    make_item,
    model_checksum,
    problems_of,
    read_sidecar,
    sidecar_path,
    write_item,
)
from .locks import locked, try_locked
from .models import TextureModel, load_model, locate
from .progress import Progress, ignore, part
from .recipe import Recipe, latents_of
from .threads import cores

MANIFEST_VERSION = 1
_UNIT = 8
"""Items that a worker gets at a time, at most: those of one sheet, whose fields it then draws once."""


_IDLE_SECONDS = 10
"""Without work for so long, a process ends: those of a run that was killed must not stay."""

CONNECT_SECONDS = 10
"""How long a Dask scheduler may take to answer."""


@dataclass(frozen=True)
class Report:
    """What a run did: items in its share, of them made and found finished, and seconds."""

    items: int
    made: int
    found: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a run would do, judged by one sample of each model and size.

    Attributes:
        items: in its share. missing: of them. bytes: on disk when it's done, of the missing. seconds: with the jobs asked for.
        free: bytes free on that disk.
    """

    items: int
    missing: int
    bytes: int
    seconds: float
    free: int


def plan(recipe: Recipe, progress: Progress = ignore) -> list[Item]:
    """Every item of a recipe, those of one sheet beside each other, the largest first.

    Sequences are measured here: their latents depend on how textures look.

    Raises:
        WashiError: a sequence that can't be made.
    """
    items: dict[str, Item] = {}
    checksums = {info.name: model_checksum(info) for info in recipe.models}
    known: dict[tuple[str, str], Any] = {}
    uses = list(recipe.uses())
    models = {info.name: _Lazy(str(info.folder), info) for info in recipe.models}
    for done, (points, info, size, seed) in enumerate(uses):
        key = points.name, info.name
        if key not in known:
            measured = min(recipe.seeds_for(points, info))  # in whatever order they are listed
            known[key] = latents_of(points.source, cast("TextureModel", models[info.name]), measured).astype(np.float32)
        for index, (label, latent) in enumerate(zip(points.labels, known[key], strict=True)):
            item = make_item(recipe.name, info, latent, size, seed, recipe.maps, points.name, label, index, checksums[info.name])
            other = items.setdefault(item.name, item)
            if other.id != item.id:
                raise WashiError(f"two textures would be named {item.name}: add {{index}} or {{points}} to the recipe's name")
        progress((done + 1) / len(uses))
    return sorted(items.values(), key=lambda item: (-item.weight, item.model, item.size, item.noise_seed, item.points, item.index))


class _Lazy:
    """A model that is loaded when a texture is asked for: most tables need its description only."""

    def __init__(self, folder: str, info: Any) -> None:
        self.folder, self.info, self._model = folder, info, cast("TextureModel | None", None)

    def __getattr__(self, name: str) -> Any:
        if self._model is None:
            self._model = load_model(self.folder)
        return getattr(self._model, name)


def shard(items: Sequence[Item], index: int, count: int) -> list[Item]:
    """A farm task's share: about equal work, each item in exactly one share, items of one sheet together where they can be.

    Args:
        index: from 1 to `count`.

    Raises:
        WashiError: an index out of range.
    """
    if not 1 <= index <= count:
        raise WashiError(f"shard {index}/{count} does not exist: choose 1/{count} to {count}/{count}")
    total = sum(item.weight for item in items)
    share: list[Item] = []
    before = 0
    for item in items:
        if (2 * before + item.weight) * count // (2 * total) == index - 1:
            share.append(item)
        before += item.weight
    return share


def export(
    items: Sequence[Item], out: str | os.PathLike[str], jobs: int = 1, scheduler: str | None = None, progress: Progress = ignore, threads: int | None = None
) -> Report:
    """Make what is missing of some items, then the manifest.

    Args:
        items: from `plan` or `shard`. out: the folder.
        jobs: processes on this machine; they share its cores. scheduler: address of a Dask scheduler, in place of `jobs`.
        progress: is told the share of the work that is done, 0 to 1; what it raises ends the run.
        threads: processor threads of each process; None: the cores by the jobs.

    Raises:
        WashiError: a place that can't be written, a full disk, workers that can't work; what was finished stays.
    """
    if not 1 <= jobs <= 1024:
        raise WashiError(f"{jobs} jobs were asked for: choose 1 to 1024")
    began = time.perf_counter()
    _check_place(Path(out))
    folder = make_folder(Path(out)).resolve()
    tally = _Tally(sum(item.weight for item in items))
    with _run_folder(folder) as staging:
        work = _Work(folder, staging, threads or max(1, cores() // jobs))
        if scheduler is None and jobs == 1:
            results = _here(items, work, progress, tally)
        elif scheduler is None:
            results = _processes(items, work, jobs)
        else:
            results = _cluster(items, work, scheduler)
        with contextlib.closing(results):
            for new, weight in results:
                tally.add(new, weight)
                progress(tally.share())
    write_manifest(folder)
    return Report(len(items), tally.made, len(items) - tally.made, time.perf_counter() - began)


@dataclass
class _Tally:
    """How far a run is. What was found finished counts for nothing, or the time left would be judged by it."""

    left: int
    done: int = 0
    made: int = 0

    def add(self, made: bool, weight: int) -> None:
        self.made += made
        self.left -= weight
        self.done += weight * made

    def share(self, more: float = 0.0) -> float:
        """Share of the work that is done, with so much more of the next item."""
        return (self.done + more) / (self.done + self.left) if self.left else 1.0


# The ways to run: each gives, item by item, whether it was made and how much work it was


@dataclass(frozen=True)
class _Work:
    out: Path
    staging: Path
    threads: int


_Results = Generator[tuple[bool, int], None, None]


def _here(items: Iterable[Item], work: _Work, progress: Progress, tally: _Tally) -> _Results:
    for item in items:
        yield _make(item, work, part(progress, tally.share(), tally.share(item.weight))), item.weight


def _processes(items: Sequence[Item], work: _Work, jobs: int) -> _Results:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    remote = delayed(_remote(str(Path(__file__).resolve().parent.parent)))
    tasks = (remote(payload) for payload in _payloads(items, work, jobs))
    try:
        with _importable(), parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=work.threads, idle_worker_timeout=_IDLE_SECONDS):
            yield from _answers(Parallel(batch_size=1, return_as="generator_unordered")(tasks))
    except TerminatedWorkerError as error:
        raise WashiError("a worker process was killed, often for want of memory: use fewer jobs or smaller sizes; what was finished is kept") from error


@contextlib.contextmanager
def _importable() -> Generator[None, None, None]:
    """New Python processes find what this one finds: Blender's extensions keep their packages where its Python alone never looks."""
    util: Any = import_module("multiprocessing.util")
    flags = util._args_from_interpreter_flags
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(place for place in sys.path if place)
    # Blender's Python ignores the environment, and joblib would start its processes just so.
    util._args_from_interpreter_flags = lambda: [flag for flag in flags() if flag not in ("-E", "-I")]
    try:
        yield
    finally:
        util._args_from_interpreter_flags = flags
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _cluster(items: Sequence[Item], work: _Work, address: str) -> _Results:
    try:
        from distributed import Client
        from joblib import Parallel, delayed, parallel_config
    except ImportError as error:
        raise WashiError("a Dask cluster needs packages that are not installed: pip install 'washi-latent[dask]'") from error
    import logging

    # What Dask mends by itself, a lost worker's results say, is no news for whoever watches.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client: Any = cast("Any", Client)(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WashiError(f"no Dask scheduler answers at {address}: start one with dask scheduler, or correct the address") from error
    with client:
        remote = delayed(_remote(None))
        try:
            with parallel_config(backend="dask", client=client, wait_for_workers_timeout=60):
                parallel = Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch="4 * n_jobs")
                # One thread a task: a cluster's slots are its cores.
                tasks = (remote(payload) for payload in _payloads(items, _Work(work.out, work.staging, 1), 8))
                yield from _answers(parallel(tasks))
        except WashiError:
            raise
        except Exception as error:  # Dask's own exceptions share no base
            raise WashiError(f"the Dask cluster at {address} failed, what was finished is kept: {type(error).__name__}: {error}") from error


def _payloads(items: Sequence[Item], work: _Work, workers: int) -> Iterable[str]:
    """Units of work as JSON: plain texts, that Dask sends along with the task instead of leaving them on a worker that may die."""
    piece = max(1, min(_UNIT, -(-len(items) // (4 * workers))))
    common = {"program": PROGRAM, "out": str(work.out), "staging": str(work.staging), "threads": work.threads}
    for _, alike in groupby(items, lambda item: item.fields_key):
        group = list(alike)
        for first in range(0, len(group), piece):
            yield json.dumps({**common, "items": [item.to_dict() for item in group[first : first + piece]]})


def _answers(units: Any) -> _Results:
    """What workers said, item by item; the first failure ends it."""
    try:
        for answer in units:
            if isinstance(answer, str):
                raise WashiError(answer)
            yield from answer
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib advises against stopping early, which is what is wanted here
            units.close()


def _remote(root: str | None) -> Callable[[str], Any]:
    """What a worker process runs. It travels by value: inside Blender this package has a name that no other process knows.

    Args:
        root: folder of this package, which the worker then runs the very files of; None: the one that is installed there.
    """

    def run(payload: str) -> Any:
        import importlib
        import importlib.util
        import sys

        if root is not None and "washi_latent" not in sys.modules:
            spec = importlib.util.spec_from_file_location("washi_latent", f"{root}/__init__.py", submodule_search_locations=[root])
            assert spec is not None
            assert spec.loader is not None
            sys.modules["washi_latent"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules["washi_latent"])
        return importlib.import_module("washi_latent.core.export").run_unit(payload)

    return run


def run_unit(payload: str) -> list[tuple[bool, int]] | str:
    """Make a unit of items, in a worker process.

    Returns:
        for each item, whether it was made and its work; or the sentence that says what is wrong.
    """
    value = json.loads(payload)
    work = _Work(Path(value["out"]), Path(value["staging"]), value["threads"])
    try:
        if value["program"] != PROGRAM:
            return f"a worker runs {PROGRAM} and this is {value['program']}: install one version everywhere"
        if not work.staging.is_dir():
            return f"a worker does not see the folder {work.out}: export to one that every worker shares"
        return [(_make(item, work, ignore), item.weight) for item in map(Item.from_dict, value["items"])]
    except WashiError as error:
        return str(error)


_loaded = threading.local()
"""Each thread's last model: a sheet model keeps the fields of its last sheet, so threads must not share it."""


def _make(item: Item, work: _Work, progress: Progress) -> bool:
    if is_done(item, work.out):
        return False
    write_item(item, _model(item, work.threads), work.out, work.staging, progress)
    return True


def _model(item: Item, threads: int) -> TextureModel:
    key = item.checksum, threads
    if getattr(_loaded, "key", None) != key:
        _loaded.key = None
        here = item.folder if Path(item.folder).is_dir() else item.model
        model = load_model(locate(here), "onnx", threads=threads)
        if model_checksum(model.info) != item.checksum:
            raise WashiError(f"the model {item.model} is another one on this machine: give every machine the same bundles")
        _loaded.model, _loaded.key = model, key
    return cast("TextureModel", _loaded.model)


# The folder


def _check_place(folder: Path) -> None:
    """Refuse where a folder can't be, or not its manifest: that is written last, when all is made."""
    for path, code in ((folder, errno.ENOTDIR), (folder / MANIFEST, errno.EISDIR)):
        if os.path.exists(path) and os.path.isdir(path) == (path != folder):
            raise cannot_write(path, OSError(code, os.strerror(code)))


@contextlib.contextmanager
def _run_folder(out: Path) -> Generator[Path, None, None]:
    """A folder for what this run has in the making; those of runs that were killed are removed."""
    shared = make_folder(out / WORK) / "lock"
    with contextlib.ExitStack() as stack:
        with locked(shared):
            runs = make_folder(out / WORK / "runs")
            for lock in runs.glob("*.lock"):
                with try_locked(lock) as ended:
                    pass
                if ended:
                    _remove_run(lock)
            lock = runs / f"{uuid.uuid4().hex}.lock"
            stack.enter_context(locked(lock))
            staging = make_folder(lock.with_suffix(""))
        try:
            yield staging
        finally:
            stack.close()  # Windows removes no file that is open
            with contextlib.suppress(WashiError, OSError), locked(shared):  # another run may be about to begin here
                _remove_run(lock)
                runs.rmdir()


def _remove_run(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    with contextlib.suppress(OSError):
        lock.unlink(missing_ok=True)


def write_manifest(out: Path) -> Path:
    """Collect the sidecars of a folder into its manifest."""
    with locked(out / WORK / "lock"):
        items = {name: _entry(out, name, sidecar) for name, sidecar in sidecars(out)}
        return write_json(out / MANIFEST, {"manifest_version": MANIFEST_VERSION, "items": items})


def _entry(out: Path, name: str, sidecar: dict[str, Any]) -> dict[str, Any]:
    files = {file: {key: facts.get(key) for key in ("bytes", "sha256")} for file, facts in file_list(sidecar).items()}
    return {"id": sidecar.get("id"), "sidecar": checksum_of(sidecar_path(out, name)), "files": files}


def sidecars(out: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Name and sidecar of every item in a folder, in the order of their names."""
    for folder, folders, files in os.walk(out):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in sorted(files):
            path = Path(folder) / file
            if path.suffix == ".json" and path != out / MANIFEST and (sidecar := read_sidecar(path)) is not None:
                yield path.relative_to(out).as_posix().removesuffix(".json"), sidecar


def check_folder(out: str | os.PathLike[str], items: Sequence[Item] | None = None) -> list[str]:
    """What is wrong with an export's folder, a sentence each; none: every file fits, and nothing is missing.

    Args:
        items: what should be there; None: what the manifest lists.

    Raises:
        WashiError: no manifest that can be read.
    """
    folder = Path(out)
    listed = _read_manifest(folder)
    wrong: list[str] = []
    seen = set()
    for name, sidecar in sidecars(folder):
        seen.add(name)
        if name not in listed:
            wrong.append(f"{name} is not in the manifest: export again to finish it")
        elif listed[name] != _entry(folder, name, sidecar):
            wrong.append(f"{name} is not what the manifest says: its sidecar was altered")
        wrong += problems_of(folder / name, sidecar)
    wrong += [f"{name} is in the manifest and its sidecar is missing" for name in listed if name not in seen]
    for item in items or ():
        found = read_sidecar(sidecar_path(folder, item.name))
        if found is None:
            wrong.append(f"{item.name} is missing: export again")
        elif found.get("id") != item.id:
            wrong.append(f"{item.name} is another texture than the recipe's: export again")
    return list(dict.fromkeys(wrong))


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if value["manifest_version"] != MANIFEST_VERSION or not isinstance(value["items"], dict):
            raise TypeError("version or items")
    except FileNotFoundError as error:
        raise WashiError(f"{folder} has no manifest: it is not an export's folder, or the export was cut; export again") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WashiError(f"the manifest of {folder} can't be read: export again to make it anew") from error
    return cast("dict[str, Any]", value["items"])


# Before a run


def estimate(items: Sequence[Item], out: str | os.PathLike[str], jobs: int = 1, progress: Progress = ignore) -> Estimate:
    """Disk and time that a run would take, from one sample of each model and size that is still missing.

    Args:
        items, out, jobs: as for `export`.

    Raises:
        WashiError: jobs out of range, a sample that can't be made.
    """
    if not 1 <= jobs <= 1024:
        raise WashiError(f"{jobs} jobs were asked for: choose 1 to 1024")
    folder = Path(out)
    _check_place(folder)
    missing = [item for item in items if not is_done(item, folder)]
    kinds: dict[tuple[str, tuple[int, int]], list[Item]] = {}
    for item in missing:
        kinds.setdefault((item.model, item.size), []).append(item)
    size, seconds = 0, 0.0
    for done, alike in enumerate(kinds.values()):
        bytes_each, with_fields, without = _sample(alike[0], max(1, cores() // jobs))
        sheets = len({item.noise_seed for item in alike})
        size += bytes_each * len(alike)
        seconds += sheets * with_fields + (len(alike) - sheets) * without
        progress((done + 1) / len(kinds))
    return Estimate(len(items), len(missing), size, seconds / min(jobs, cores(), max(1, len(missing))), free_bytes(folder))


def _sample(item: Item, threads: int) -> tuple[int, float, float]:
    """Bytes of an item, seconds with its sheet's fields to draw, and without."""
    model = _model(item, threads)
    with tempfile.TemporaryDirectory() as place:
        out, staging = Path(place), make_folder(Path(place) / WORK)
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            write_item(item, model, out, staging)
            seconds.append(time.perf_counter() - began)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return size, seconds[0], min(seconds)
