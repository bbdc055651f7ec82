"""From a folder of photographs to a sheet bundle: crops, training, evaluation, card, export."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..core.errors import WashiError
from ..core.fields import MILLIMETRES_PER_PIXEL
from ..core.interrupts import Held
from ..core.models import ModelInfo, TextureModel, load_model
from ..core.networks import meta
from . import TrainOptions, weights_of
from .beginning import Beginning
from .card import card_pictures, write_card
from .data import SHEET_PATCH, Patches
from .evaluation import evaluate
from .export import export_bundle, sheet_inputs, tile_bytes
from .loop import Schedule, check_checkpoint, run, what_follows
from .pipeline import begun, data_facts, draw_samples, make_patches
from .sheet_photographs import PhotographTrainer, build_network, can_begin, network_options
from .washi import fibre_tile

Say = Callable[[str], None]
TEACHER = "washi-sheet"
"""The model that knows already how to draw paper from the fields."""


def train_on_photographs(options: TrainOptions, say: Say) -> ModelInfo:
    """Train a sheet model on the photographs of a folder; the options are checked."""
    if options.threads:
        torch.set_num_threads(options.threads)
    start = _start(options, say)
    with begun(options) as work:
        return _train(options, work, start, say)


def _train(options: TrainOptions, work: Path, start: Beginning | None, say: Say) -> ModelInfo:
    with meta():
        check_checkpoint(work, build_network(network_options()))
    patches = make_patches(options, work, say)
    say("drawing layouts of fibres")
    tile = fibre_tile()
    trainer = PhotographTrainer(patches, tile, options.seed, start)
    schedule = Schedule(options.iterations, options.minutes, options.save_every, options.picture_every)
    with Held() as until_written:
        run(trainer, work, schedule, lambda t, path: draw_samples(t, patches, path), say, what_follows(options.out, options.evaluate))
        return _export(trainer.finished(), tile, trainer, patches, options, start, say, until_written.let_go)


def _start(options: TrainOptions, say: Say) -> Beginning | None:
    """The sheet model that was named, or the shipped one; none where that is not here, or is of an earlier version."""
    try:
        beginning = Beginning.of(weights_of(options.begin_with or TEACHER))
    except WashiError:
        if options.begin_with:
            raise
        say(f"the model {TEACHER} is not here: starting from nothing, which takes longer")
        return None
    if can_begin(beginning, network_options()):
        return beginning
    if options.begin_with:
        raise WashiError(
            f"a training on photographs can't begin with the model {beginning.info.name}, whose network has other layers: leave it out, or give a sheet model of this version"
        )
    say(f"the model {TEACHER} that is here has other layers: starting from nothing, which takes longer")
    return None


def _export(
    module: nn.Module,
    tile: NDArray[np.uint8],
    trainer: PhotographTrainer,
    patches: Patches,
    options: TrainOptions,
    start: Beginning | None,
    say: Say,
    written: Callable[[], None],
) -> ModelInfo:
    """Write the bundle, and tell it, then once more with its pictures and figures: the written model is what is shown and evaluated."""
    description = _description(trainer, patches, options, start)
    files = {"fibres.png": tile_bytes(tile)}

    def write(figures: dict[str, Any] | None, pictures: dict[str, bytes]) -> ModelInfo:
        card = write_card(description, figures, patches, options.out.name)
        everything = {**files, **pictures, "README.md": card.encode()}
        return export_bundle(module, options.out, {**description, "evaluation": figures or {}}, everything, sheet_inputs(trainer.options))

    write(None, {})
    written()
    model = load_model(options.out, threads=options.threads)
    say("drawing the card's pictures")
    pictures = card_pictures(_unselected(model, 48), patches)
    return write(evaluate(model, patches, say=say) if options.evaluate else None, pictures)


def _unselected(model: TextureModel, count: int) -> NDArray[np.float32]:
    latents = np.random.default_rng(11).normal(size=(count, model.latent_dim))
    return np.concatenate([model.generate(latent, SHEET_PATCH, seed) for seed, latent in enumerate(latents)])


def _description(trainer: PhotographTrainer, patches: Patches, options: TrainOptions, start: Beginning | None) -> dict[str, Any]:
    scale = options.millimetres_per_pixel
    facts: dict[str, Any] = {
        "data": data_facts(options),
        "photographs": len(patches.kinds),
        "training_patches": len(patches.train),
        "held_out_patches": len(patches.held_out),
        "begins_with": "random weights" if start is None else start.info.name,
        "steps": trainer.iteration,
        "crops_a_step": trainer.settings.batch,
        "crop": trainer.settings.edge,
        "seed": options.seed,
        "torch": torch.__version__.split("+")[0],
        "command": f"washi-latent train --images FOLDER --kind sheet --out {shlex.quote('models/' + options.out.name)}"
        + (f" --millimetres-per-pixel {scale:g}" if scale else "")
        + f" --iterations {trainer.iteration} --seed {options.seed}"
        + (f" --begin-with {start.info.name}" if start and options.begin_with else ""),
    }
    return {
        "title": options.title or options.out.name,
        "license": options.license or "unknown",
        "architecture": trainer.architecture,
        "options": trainer.options,
        "latent": {"dim": 100, "prior": "normal"},
        "channels": ["red", "green", "blue"],
        "size": "any",
        "size_multiple": 8,
        "tileable": True,
        "millimetres_per_pixel": MILLIMETRES_PER_PIXEL if scale else None,
        "training": facts,
    }
