"""Ctrl-C while a model is trained, once and twice: it says what is kept, and keeps it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from PIL import Image

from washi_latent import training
from washi_latent.cli import main
from washi_latent.core import verify
from washi_latent.training import TrainOptions, photograph_pipeline, pipeline, sheet, sheet_photographs, sheet_pipeline, train
from washi_latent.training.data import photograph_patches
from washi_latent.training.dcgan import DCGANTrainer
from washi_latent.training.loop import CHECKPOINT, load_state
from washi_latent.training.sheet import SheetTrainer, make_pairs
from washi_latent.training.sheet_photographs import PhotographTrainer, Settings
from washi_latent.training.washi import fibre_tile

WAYS = {
    "dcgan of photographs": ("dcgan", False, DCGANTrainer, pipeline, "evaluate"),
    "dcgan of the simulation": ("dcgan", True, DCGANTrainer, pipeline, "evaluate"),
    "sheet of photographs": ("sheet", False, PhotographTrainer, photograph_pipeline, "evaluate"),
    "sheet of the simulation": ("sheet", True, SheetTrainer, sheet_pipeline, "evaluate_sheets"),
}
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i, color in enumerate([(200, 180, 150), (90, 70, 110), (150, 160, 140)]):
        grain = np.random.default_rng(i).normal(0, 6, (150, 170, 1))
        Image.fromarray((grain + color).clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def quick(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, small data, and a card without pictures."""
    tile = np.random.default_rng(0).normal(128, 24, (4, 128, 128)).clip(0, 255).astype(np.uint8)
    tiny = Settings(features=4, discriminator_features=4, batch=4, edge=64, layouts=2, warm_up=1, r1_every=1)
    monkeypatch.setattr(pipeline, "simulated_patches", lambda *_: photograph_patches(photographs, 64))
    finished = DCGANTrainer.finished
    monkeypatch.setattr(DCGANTrainer, "finished", lambda self, *_: finished(self, 1))
    monkeypatch.setattr(photograph_pipeline, "fibre_tile", lambda: tile)
    monkeypatch.setattr(photograph_pipeline, "TEACHER", "no-such-model")
    monkeypatch.setattr(photograph_pipeline, "PhotographTrainer", lambda patches, tile, seed, start: PhotographTrainer(patches, tile, seed, start, tiny))
    monkeypatch.setattr(photograph_pipeline, "network_options", lambda: sheet_photographs.network_options(tiny))
    monkeypatch.setattr(photograph_pipeline, "card_pictures", lambda *_: {})
    monkeypatch.setattr(sheet_pipeline, "fibre_tile", lambda: fibre_tile(size=128))
    monkeypatch.setattr(sheet_pipeline, "make_pairs", lambda tile, **_: make_pairs(tile, 1, 12, 1))
    monkeypatch.setattr(sheet_pipeline, "free_sheets", lambda *_: None)
    monkeypatch.setattr(sheet_pipeline, "SheetTrainer", lambda pairs, seed, **_: SheetTrainer(pairs, seed, features=8, papers=40))
    monkeypatch.setattr(sheet_pipeline, "network_options", lambda: sheet.network_options(8))
    monkeypatch.setattr(sheet_pipeline, "kinds_files", lambda _: {})
    monkeypatch.setattr(sheet_pipeline, "card_pictures", lambda *_: {})


@pytest.fixture
def handlers() -> Iterator[None]:
    """A training leaves the signals as it found them."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, quick: None, handlers: None, photographs: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Options of a training that hears a signal in its second step, and a function that says what its evaluation does."""
    kind, simulated, trainer, module, evaluation = WAYS[request.param]
    step = trainer.step

    def interrupted(self: Any) -> dict[str, float]:
        if self.iteration == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)  # type: ignore[no-any-return]

    monkeypatch.setattr(trainer, "step", interrupted)
    options = TrainOptions(
        out=photographs.parent / "models" / "mine",
        images=None if simulated else photographs,
        synthetic=simulated,
        kind=kind,
        iterations=3,
        patches=64 if kind == "dcgan" else 800,
        lessons=0,
        threads=1,
    )

    def evaluating(does: Callable[..., Any]) -> None:
        monkeypatch.setattr(module, evaluation, does)

    return options, evaluating


def whole(options: TrainOptions, said: list[str]) -> None:
    """The model is there, without figures, and nothing half written; one line has said so; the same command goes on."""
    (line,) = (line for line in said if "stopped at step 2" in line)
    work = options.out.with_name("mine.training")
    assert f"kept in {work / CHECKPOINT}, and the same command goes on from there; now writing {options.out}, then evaluating" in line
    assert "Ctrl-C ends that without loss" in line
    assert "\n" not in line
    assert verify(options.out).evaluation == {}
    assert sorted(path.name for path in options.out.parent.iterdir()) == ["mine", "mine.training"]
    assert load_state(work / CHECKPOINT)["iteration"] == 2
    again: list[str] = []
    train(replace(options, evaluate=False), say=again.append)
    assert "going on from step 2" in again
    assert any(line.startswith("finished at step 3; now writing") for line in again)


def kill(number: int, *_: Any, **__: Any) -> dict[str, Any]:
    os.kill(os.getpid(), number)
    return {}


def test_a_second_ctrl_c_ends_what_comes_after_the_steps(way: Any) -> None:
    options, evaluating = way
    evaluating(partial(kill, signal.SIGINT))
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(options, say=said.append)
    whole(options, said)


def test_a_second_stop_that_comes_at_once_waits_until_the_model_is_written(way: Any) -> None:
    options, evaluating = way
    evaluating(lambda *_, **__: pytest.fail("it goes on"))
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "stopped" in line:
            kill(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train(options, say=say)
    whole(options, said)


@pytest.mark.usefixtures("quick", "handlers")
def test_the_command_ends_as_others_that_are_cancelled(photographs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Here the steps had ended of themselves: there was one Ctrl-C alone."""
    monkeypatch.setattr(training, "train", partial(train, patches=64))
    monkeypatch.setattr(pipeline, "evaluate", partial(kill, signal.SIGTERM))
    out = photographs.parent / "mine"
    assert main(["train", "--images", str(photographs), "--kind", "dcgan", "--out", str(out), "--iterations", "1", "--threads", "1"]) == 130
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "washi-latent: stopped; what was finished is kept"
    assert f"finished at step 1; now writing {out}, then evaluating" in said.err
    assert "Traceback" not in said.err
    assert verify(out).evaluation == {}
