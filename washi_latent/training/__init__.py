"""Training: the simulation of washi, patches, networks' losses, the loop, evaluation and export. Needs the `train` extra."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.atlas import write_atlas
from ..core.errors import WashiError
from ..core.interrupts import Terminable
from ..core.models import check_name, check_replaceable, locate, verify
from ..core.ranges import check_seed, check_threads

if TYPE_CHECKING:
    from ..core.models import ModelInfo

KINDS_OF_MODEL = ("dcgan", "sheet")


@dataclass(frozen=True)
class TrainOptions:
    """What to train, from what, for how long.

    Attributes:
        out: the bundle's folder; its name becomes the model's: lower-case letters, digits, dots, dashes, underscores.
        images: folder of photographs; None: the simulation.
        synthetic: say so when the simulation is meant.
        kind: "dcgan", 64x64 RGB; "sheet", seamless sheets of any size: with height and opacity from the simulation, RGB from photographs.
        iterations: steps in all, of earlier runs too.
        minutes: stop this run after so long; None: no limit.
        seed: of weights, data and order; 0 to `MAX_SEED`.
        resume: go on from the checkpoint where there is one; otherwise start anew.
        work: folder for patches, checkpoints and pictures of samples; None: `out` + ".training".
        sheets, patches_per_sheet: size of the simulated data.
        patches: number cut from photographs; for a sheet model, four times as large, a quarter of that.
        millimetres_per_pixel: scale of the photographs that a sheet model learns from; None: unknown.
        begin_with: a sheet model of the simulation, by name or folder, whose weights to begin with; None: random ones, or for photographs washi-sheet's.
        lessons: pictures of the sheet model that a 64-pixel model of simulated washi begins with; 0: none.
        threads: None: as PyTorch likes.
        evaluate: fill the card with figures and measure an atlas for searches, which takes some minutes.
        title, license: the bundle's; None: as it learned from.
        save_every, picture_every: seconds between checkpoints, and between pictures of samples beside training patches.
    """

    out: Path
    images: Path | None = None
    synthetic: bool = False
    kind: str = "dcgan"
    iterations: int = 6000
    minutes: float | None = None
    seed: int = 0
    resume: bool = True
    work: Path | None = None
    sheets: int = 420
    patches_per_sheet: int = 60
    patches: int = 20_000
    millimetres_per_pixel: float | None = None
    begin_with: str | None = None
    lessons: int = 8_000
    threads: int | None = None
    evaluate: bool = True
    title: str | None = None
    license: str | None = None
    save_every: float = 120.0
    picture_every: float = 180.0

    def checked(self) -> TrainOptions:
        """These options with paths as `Path`, or a `WashiError` that says what does not fit."""
        if (self.images is None) != self.synthetic:
            raise WashiError("choose what to learn from: photographs (images) or the simulation (synthetic), one of the two")
        if self.images is not None and not Path(self.images).is_dir():
            raise WashiError(f"there is no folder {self.images}: give the folder that holds your photographs")
        if self.kind not in KINDS_OF_MODEL:
            raise WashiError(f"there is no kind of model named {self.kind!r} to train: choose {', '.join(KINDS_OF_MODEL)}")
        if self.iterations < 1 or (self.minutes is not None and not self.minutes > 0):
            raise WashiError("training needs at least one iteration and a time above 0 minutes: give larger numbers")
        check_seed(self.seed)
        check_threads(self.threads)
        if self.begin_with is not None:
            if self.kind != "sheet":
                raise WashiError("a model to begin with belongs to a sheet model: leave it out, or give kind sheet")
            weights_of(self.begin_with)
        if self.sheets < 10 or self.patches_per_sheet < 1 or self.patches < 64:
            raise WashiError("that is too little to learn from: give at least 10 sheets, one patch a sheet and 64 patches")
        if self.millimetres_per_pixel is not None:
            if self.images is None or self.kind != "sheet":
                raise WashiError(
                    "a scale belongs to photographs that a sheet model learns from: leave millimetres per pixel out, or give images and kind sheet"
                )
            if not 0.005 <= self.millimetres_per_pixel <= 0.2:
                raise WashiError(f"photographs of {self.millimetres_per_pixel:g} mm a pixel show no fibres: give 0.005 to 0.2 (a scan of 300 dpi has 0.085)")
        out = Path(self.out)
        check_name(out.name)
        check_replaceable(out)
        if self.images is not None and out.resolve().is_relative_to(Path(self.images).resolve()):
            raise WashiError(f"{out} lies among the photographs, where training's own pictures would be taken for some: choose another folder for the model")
        return replace(self, out=out, images=None if self.images is None else Path(self.images), work=Path(self.work or out.with_name(out.name + ".training")))


def weights_of(name_or_path: str) -> ModelInfo:
    """A verified sheet model whose weights a training can begin with.

    Raises:
        WashiError: no such model, a damaged one, one of another kind or without weights for PyTorch.
    """
    info = verify(locate(name_or_path))
    if info.architecture != "sheet" or "generator.safetensors" not in info.files:
        raise WashiError(f"a training can't begin with the model {info.name}: give a sheet model that holds generator.safetensors")
    return info


def train(options: TrainOptions | None = None, *, say: Callable[[str], None] | None = None, **changes: Any) -> ModelInfo:
    """Train a model and write its bundle; Ctrl-C, or a scheduler's SIGTERM, ends training early and keeps what was reached.

    A second one ends what comes after the steps, too, with `KeyboardInterrupt`: the model is written before that, not evaluated.

    Args:
        options: or None, with `changes` alone.
        say: takes a line of progress; None: standard error.
        changes: options by name: `train(synthetic=True, out="models/mine", minutes=50)`.

    Returns:
        The bundle.

    Raises:
        WashiError: nothing to learn from, no PyTorch, no space, a loss that is not a number.
    """
    try:
        chosen = (TrainOptions(**changes) if options is None else replace(options, **changes)).checked()
    except TypeError as error:
        raise WashiError(f"these are not options of training ({error}): give at least out, and images or synthetic") from error
    try:
        from .pipeline import train_dcgan
        from .sheet_pipeline import train_sheet
    except ImportError as error:
        raise WashiError(f"training needs {error.name}, which is not installed: pip install 'washi-latent[train]'") from error
    train_kind = train_sheet if chosen.kind == "sheet" else train_dcgan
    tell = say or (lambda line: print(line, file=sys.stderr))
    with Terminable():
        info = train_kind(chosen, tell)
        if not chosen.evaluate:
            return info
        tell("measuring its textures, for searches")
        return write_atlas(info.folder, threads=chosen.threads)
