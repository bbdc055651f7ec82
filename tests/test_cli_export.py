"""The export as a studio runs it: killed, twice at once, on a cluster whose workers die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from washi_latent.cli import main
from washi_latent.core import export

pytestmark = pytest.mark.usefixtures("both_models")

ROOT = Path(__file__).parents[1]
RECIPE = """[export]
models = ["small-sheet"]
sizes = [96, 128]
maps = ["base_color", "height", "normal"]
formats = { height = "png16" }
noise_seeds = [0, 1, 2, 3]
name = "{points}/{size}-{label}-{noise_seed}"
[[points]]
name = "drawn"
random = { count = 3, seed = 5 }
"""
COUNT = 24


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def uncut(tmp_path: Path, recipe: Path) -> dict[str, bytes]:
    """What an export that nobody disturbs gives."""
    assert main(["export", str(recipe), "--out", str(tmp_path / "uncut")]) == 0
    return contents(tmp_path / "uncut")


def start(*arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "washi_latent", *map(str, arguments)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until so many items are finished; with none, until the run has begun."""
    end = time.monotonic() + 120
    while not folder.exists() or len(list(folder.glob("drawn/*.json"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize(("jobs", "finished"), [(1, 0), (1, 5), (2, 7)])
def test_a_killed_export_goes_on_and_ends_as_an_uncut_one(tmp_path: Path, recipe: Path, uncut: dict[str, bytes], jobs: int, finished: int) -> None:
    out = tmp_path / "out"
    # No pipes: worker processes that outlive their parent for a moment would hold them open.
    process = subprocess.Popen(
        [sys.executable, "-m", "washi_latent", "export", recipe, "--out", out, "--jobs", str(jobs)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(out, finished, process)
    process.kill()
    ended = process.wait()
    before = {p: p.stat().st_ino for p in out.glob("drawn/*.json")}
    if ended == 0 or len(before) == COUNT:
        pytest.skip("this machine had finished before the kill came")
    assert ended == -signal.SIGKILL
    again = start("export", recipe, "--out", out, "--json")
    said, complained = again.communicate(timeout=300)
    assert again.returncode == 0, complained
    report = json.loads(said)
    assert report["items"] == COUNT
    # Workers whose parent was killed may finish what they had begun.
    assert report["found"] >= len(before)
    assert {p: i for p, i in before.items() if p.stat().st_ino == i} == before
    assert contents(out) == uncut


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="finds a process's children as Linux tells them")
def test_a_killed_worker_is_one_sentence_and_nothing_is_lost(tmp_path: Path, recipe: Path, uncut: dict[str, bytes]) -> None:
    out = tmp_path / "out"
    process = start("export", recipe, "--out", out, "--jobs", "2")
    wait_for(out, 4, process)
    children = [pid for tasks in Path(f"/proc/{process.pid}/task").glob("*/children") for pid in tasks.read_text().split()]
    workers = [pid for pid in children if b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(workers[0]), signal.SIGKILL)
    _, complained = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "a worker process was killed" in complained
    assert "Traceback" not in complained
    assert main(["export", str(recipe), "--out", str(out)]) == 0
    assert contents(out) == uncut


def test_two_exports_at_once_on_one_folder(tmp_path: Path, recipe: Path, uncut: dict[str, bytes]) -> None:
    out = tmp_path / "out"
    both = [start("export", recipe, "--out", out), start("export", recipe, "--out", out, "--shard", "1/1")]
    for process in both:
        assert process.wait(timeout=300) == 0, process.communicate()
        process.communicate()
    assert contents(out) == uncut


class Cluster:
    """A Dask scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.file, self.log = folder / "scheduler.json", (folder / "log").open("w")
        self.processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")]
        end = time.monotonic() + 60
        while not self.file.exists() or not self.file.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self.file), *options]
        return subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=self.log)

    def add_worker(self) -> subprocess.Popen[bytes]:
        """A worker of one thread."""
        self.processes.append(self._start("worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"))
        return self.processes[-1]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.log.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster, None, None]:
    pytest.importorskip("distributed")
    made = Cluster(tmp_path)
    yield made
    made.close()


def test_a_dask_cluster_whose_worker_dies_gives_the_same_bytes(tmp_path: Path, recipe: Path, uncut: dict[str, bytes], cluster: Cluster) -> None:
    victim = cluster.add_worker()
    cluster.add_worker()
    out = tmp_path / "out"
    process = start("export", recipe, "--out", out, "--scheduler", cluster.address, "--json")
    wait_for(out, 4, process)
    victim.kill()
    said, complained = process.communicate(timeout=300)
    assert (process.returncode, complained) == (0, "")
    assert json.loads(said)["items"] == COUNT
    assert contents(out) == uncut


def test_no_cluster_there_is_one_sentence(tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(export, "CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://"):
        assert main(["export", str(recipe), "--out", str(tmp_path / "out"), "--scheduler", address]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"washi-latent: no Dask scheduler answers at {address}")
        assert said.count("\n") == 1


def test_a_dry_run_writes_nothing_and_says_what_is_to_come(tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", str(recipe), "--out", str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"{COUNT} of {COUNT} textures are to be made: about " in said
    assert "12 textures: drawn, small-sheet, 128 x 128" in said
    assert not out.exists()
    assert main(["export", str(recipe), "--out", str(out), "--dry-run", "--json", "--shard", "2/4"]) == 0
    assert 0 < len(json.loads(capsys.readouterr().out)["names"]) < COUNT


def test_verify_tells_by_its_exit_code(tmp_path: Path, recipe: Path, uncut: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "uncut"
    for arguments in ([str(recipe)], []):
        assert main(["export", *arguments, "--out", str(out), "--verify"]) == 0
    capsys.readouterr()
    next(out.glob("drawn/*.png")).write_bytes(b"")
    assert main(["export", "--out", str(out), "--verify", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "has 0 bytes instead of" in problem
    assert main(["export", str(recipe), "--out", str(tmp_path), "--verify"]) == 2
    assert "has no manifest" in capsys.readouterr().err


def test_mistakes_are_told_before_anything_is_made(tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.write_text(RECIPE.replace("96", "97").replace("count = 3", "cout = 3"))
    assert main(["export", str(recipe), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "line 3: " in said
    assert "line 10: [points.random] has no key 'cout'; did you mean 'count'?" in said
    for arguments in ([], [str(tmp_path / "none.toml")], [str(recipe), "--shard", "3/2"], [str(recipe), "--jobs", "0"]):
        assert main(["export", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
