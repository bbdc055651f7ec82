"""From photographs or the simulation to a bundle: data, training, evaluation, card, export."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..core.errors import WashiError
from ..core.images import cannot_write, contact_sheet, make_folder, write_json, write_png
from ..core.interrupts import Held
from ..core.locks import unless_locked
from ..core.models import ModelInfo, TextureModel, load_model
from ..core.networks import meta
from . import TrainOptions
from .card import card_pictures, write_card
from .data import PATCH_MM, Patches, fingerprint, load_patches, photographs_for, simulated_patches
from .dcgan import DCGANTrainer, Lessons, untrained
from .evaluation import check_enough, evaluate
from .export import export_bundle
from .kinds import kinds_files
from .loop import CHECKPOINT, Schedule, Trainer, check_checkpoint, run, what_follows
from .sheet import CHANNELS

Say = Callable[[str], None]
SETTINGS = "settings.json"


def train_dcgan(options: TrainOptions, say: Say) -> ModelInfo:
    """Train a DCGAN as `train` describes it; the options are checked."""
    if options.threads:
        torch.set_num_threads(options.threads)
    with begun(options) as work:
        return _train(options, work, say)


def _train(options: TrainOptions, work: Path, say: Say) -> ModelInfo:
    teacher = _teacher(options, say)
    with meta():
        check_checkpoint(work, untrained(Lessons.flow_of(teacher) if teacher else None))
    patches = make_patches(options, work, say)
    trainer = DCGANTrainer(patches, options.seed, lessons=Lessons.of(teacher, options.lessons, options.seed, say) if teacher else None)
    schedule = Schedule(options.iterations, options.minutes, options.save_every, options.picture_every)
    with Held() as until_written:
        run(trainer, work, schedule, lambda t, path: draw_samples(t, patches, path), say, what_follows(options.out, options.evaluate))
        return export_dcgan(trainer.finished(), trainer, patches, options, say, until_written.let_go)


def _teacher(options: TrainOptions, say: Say) -> TextureModel | None:
    """The sheet model, which gives lessons to a model of simulated washi, where it is here."""
    if options.images is not None or options.lessons < 1:
        return None
    try:
        teacher = load_model("washi-sheet", threads=options.threads)
    except WashiError:
        teacher = None
    if teacher is None or teacher.info.channels != CHANNELS or "generator.safetensors" not in teacher.info.files:
        say("the model washi-sheet is not here: warming up without its lessons")
        return None
    return teacher


@contextmanager
def begun(options: TrainOptions) -> Generator[Path, None, None]:
    """The folder of a training, settled, for as long as that is at work: two at once would write one checkpoint.

    Raises:
        WashiError: another one is at work there, it can't go on with these options, a place that can't be written.
    """
    work = make_folder(options.work or options.out)
    with unless_locked(work / ".lock") as free:
        if not free:
            raise WashiError(f"another training is at work in {work}: wait until it ends, or choose another folder for the model")
        settle(options, work)
        yield work


def settle(options: TrainOptions, work: Path) -> None:
    """Hold on to what decides the data and the weights: a checkpoint must not go on with others."""
    settings = {"kind": options.kind, "seed": options.seed, "data": data_facts(options), "begin_with": options.begin_with, **_pictures(options)}
    path = work / SETTINGS
    if not options.resume:
        for old in (work / CHECKPOINT, path):
            old.unlink(missing_ok=True)
    # Without a checkpoint nothing goes on: what a run that never began had settled binds nobody.
    if path.exists() and (work / CHECKPOINT).exists():
        try:
            # Earlier versions did not note what a training began with.
            before = {"begin_with": options.begin_with, **json.loads(path.read_text(encoding="utf-8"))}
            other = {**before, "pictures": None} != {**settings, "pictures": None}
        except (OSError, ValueError, TypeError) as error:
            raise WashiError(f"{path} can't be read: delete {work} to start anew") from error
        if other:
            raise WashiError(
                f"{work} holds a training with other settings: give the same ones to go on, another folder, or --restart (resume=False) to start anew"
            )
        if not _same_pictures(before, settings):
            raise WashiError(
                f"the photographs in {options.images} are not those that the training in {work} began with: "
                "give --restart (resume=False) to start anew with them, or bring the earlier ones back"
            )
    write_json(path, settings)


def _pictures(options: TrainOptions) -> dict[str, str]:
    """Which photographs, where there are any: not part of what a bundle says of its data, for it tells nobody else anything."""
    return {} if options.images is None else {"pictures": fingerprint(options.images)}


def _same_pictures(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether both were of the same photographs; earlier versions did not note which."""
    return before.get("pictures") in (None, now.get("pictures"))


def data_facts(options: TrainOptions) -> dict[str, Any]:
    if options.images is None:
        return {"source": "simulation", "sheets": options.sheets, "patches_per_sheet": options.patches_per_sheet, "seed": options.seed}
    facts: dict[str, Any] = {"source": "photographs", "patches": options.patches, "seed": options.seed}
    return facts | {"millimetres_per_pixel": options.millimetres_per_pixel} if options.millimetres_per_pixel else facts


def make_patches(options: TrainOptions, work: Path, say: Say) -> Patches:
    """Patches to learn from: those of an earlier run with the same settings, or new ones.

    Raises:
        WashiError: nothing to learn from, too little to evaluate with where that is asked, a place that can't be written.
    """
    patches = _made(options, work, say)
    if options.evaluate:
        check_enough(len(patches.held_out))
    return patches


def _made(options: TrainOptions, work: Path, say: Say) -> Patches:
    folder, done = work / "patches", work / "patches" / SETTINGS
    facts = {**data_facts(options), "images": None if options.images is None else str(options.images.resolve()), **_pictures(options)}
    if options.resume and done.exists():
        with suppress(OSError, ValueError, TypeError, EOFError):  # a damaged one is cut anew: the same settings give the same patches
            before = json.loads(done.read_text(encoding="utf-8"))
            if {**before, "pictures": None} == {**facts, "pictures": None} and _same_pictures(before, facts):
                return load_patches(folder)
    if options.images is not None:
        say(f"cutting patches from the photographs in {options.images}")
        patches = photographs_for(options.kind, options.images, options.patches, options.seed, options.millimetres_per_pixel, say)
    else:
        every = max(1, options.sheets // 20)
        patches = simulated_patches(
            options.sheets,
            options.patches_per_sheet,
            options.seed,
            options.threads or 2,
            lambda n, of: say(f"simulated {n} of {of} sheets") if n % every == 0 else None,
        )
    try:
        done.unlink(missing_ok=True)  # a run that is cut now must not leave it beside other patches
        patches.save(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_json(done, facts)
    return patches


def draw_samples(trainer: Trainer, patches: Patches, path: Path) -> None:
    """A picture of samples beside training patches, at one scale."""
    chosen = np.random.default_rng(3).choice(len(patches.train), 40)
    parts = {f"generated, step {trainer.iteration}": trainer.samples(40), "training patches": patches.train[chosen].astype(np.float32) / 255}
    write_png(path, np.concatenate([contact_sheet(part, columns=5, title=title, tile=128) for title, part in parts.items()], 1))


def export_dcgan(
    module: nn.Module, trainer: DCGANTrainer, patches: Patches, options: TrainOptions, say: Say, written: Callable[[], None] = lambda: None
) -> ModelInfo:
    """Write the bundle, and tell it; with figures, once more: the written model is what is evaluated."""
    description = _description(trainer, patches, options)
    with torch.no_grad():
        latents = torch.randn(48, 100, generator=torch.Generator().manual_seed(11))
        generated = module(latents).permute(0, 2, 3, 1).contiguous().numpy()
    pictures, kinds = card_pictures(generated, patches), kinds_files(module)

    def write(figures: dict[str, Any] | None) -> ModelInfo:
        text = write_card(description, figures, patches, options.out.name)
        return export_bundle(module, options.out, {**description, "evaluation": figures or {}}, {"README.md": text.encode(), **kinds, **pictures})

    info = write(None)
    written()
    return write(evaluate(load_model(options.out, threads=options.threads), patches, say=say)) if options.evaluate else info


def _description(trainer: DCGANTrainer, patches: Patches, options: TrainOptions) -> dict[str, Any]:
    simulated = options.images is None
    source = "--synthetic" if simulated else "--images FOLDER"
    facts: dict[str, Any] = {
        "data": data_facts(options),
        "training_patches": len(patches.train),
        "held_out_patches": len(patches.held_out),
        "steps": trainer.iteration,
        "pictures_a_step": trainer.recipe.batch,
        "seed": options.seed,
        "torch": torch.__version__.split("+")[0],
        "command": f"washi-latent train {source} --out {shlex.quote('models/' + options.out.name)} --iterations {trainer.iteration} --seed {options.seed}",
    }
    if simulated:
        from .washi import KINDS

        facts["kinds"] = "Kinds and their mixtures: " + ", ".join(KINDS)
    return {
        "title": options.title or ("Washi, 64 pixels" if simulated else options.out.name),
        "license": options.license or ("CC0-1.0" if simulated else "unknown"),
        "architecture": "dcgan",
        "options": trainer.options,
        "latent": {"dim": 100, "prior": "normal"},
        "channels": ["red", "green", "blue"],
        "size": [64, 64],
        "tileable": False,
        "millimetres_per_pixel": round(sum(PATCH_MM) / 2 / 64, 3) if simulated else None,
        "training": facts,
    }
