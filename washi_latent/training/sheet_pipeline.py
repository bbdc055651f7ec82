"""From the simulation to a sheet bundle: pairs, training, card, export."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from ..core.images import contact_sheet, write_png
from ..core.interrupts import Held
from ..core.models import ModelInfo, load_model
from ..core.networks import meta
from ..core.threads import cores
from . import TrainOptions, weights_of
from .beginning import Beginning
from .card import png_bytes
from .export import export_bundle, sheet_inputs, tile_bytes
from .kinds import kinds_files
from .loop import Schedule, Trainer, check_checkpoint, run, what_follows
from .pairs import channels
from .photograph_pipeline import train_on_photographs
from .pipeline import begun
from .sheet import CHANNELS, FreeSheets, Pairs, SheetTrainer, build_network, check_beginning, draw_silver, make_pairs, network_options, random_sheet_kind, scans
from .sheet_evaluation import evaluate_sheets, table
from .washi import KINDS, fibre_tile, synthesize

Say = Callable[[str], None]
SHEETS, FREE = 4000, 1200
"""Sheets made of layouts, and sheets that the simulation lays itself."""

_CARD = """# {title}

Seamless sheets of washi, of any size, with colour, height and opacity. **It learned from a simulation of washi, not from real
sheets**: it can show no kind of paper and no flaw that the simulation does not draw.

![generated and simulated crops](crops.png)

Left: generated, the first 32 seeds, not chosen. Right: simulated sheets it was not trained on. 25.6 mm each, one scale, as a scanner shows them.

## What it is

A latent of 100 normally distributed numbers says which paper; the seed says which sheet of that paper. The latent becomes a recipe of
{recipe} numbers by a rectified flow (Liu 2023, Lipman 2023) of normal scores, which quantile functions turn into numbers; the recipe composes {fields} periodic fields of drawn fibres, clouds, bark, metal leaf,
laid lines, drops and creases (`washi_latent/core/fields.py`) into paper, by a small convolutional network at full resolution that the recipe
modulates, and bark, leaf and metal are laid over it in colours of their own. With the seed held fixed, fibres keep their places while the latent moves. 0.1 mm a pixel. Height spans 0.5 mm around the mean level;
opacity is the share of light that does not pass.

Licence: {license}. Everything it learned from was simulated by this program.

## How near it comes

{evaluated}

## How it was trained

What was tried on the way: docs/sheet.md of Washi Latent's repository.

{training}

```
{command}
```
"""


def train_sheet(options: TrainOptions, say: Say) -> ModelInfo:
    """Train a sheet model on the simulation, or on photographs; the options are checked."""
    if options.images is not None:
        return train_on_photographs(options, say)
    begin_with = None if options.begin_with is None else Beginning.of(weights_of(options.begin_with))
    if begin_with is not None:
        check_beginning(begin_with)
    if options.threads:
        torch.set_num_threads(options.threads)
    with begun(options) as work:
        return _train(options, work, begin_with, say)


def _train(options: TrainOptions, work: Path, begin_with: Beginning | None, say: Say) -> ModelInfo:
    with meta():
        check_checkpoint(work, build_network(network_options()))
    say("drawing layouts and simulating sheets")
    tile = fibre_tile()
    every = SHEETS // 10

    def progress(n: int, of: int) -> None:
        if n % every == 0:
            say(f"simulated {n} of {of} sheets")

    pairs = make_pairs(tile, sheets=SHEETS, seed=options.seed, progress=progress, threads=options.threads)
    free = free_sheets(pairs, options.seed, say, options.threads)
    trainer = SheetTrainer(pairs, options.seed, steps=options.iterations, begin_with=begin_with, free=free)

    def draw(_: Trainer, path: Any) -> None:
        chosen = np.random.default_rng(3).choice(len(pairs.sheets), 12)
        parts = {"composed": scans(trainer.composed(chosen)), "simulated": scans(pairs.sheets[chosen].astype(np.float32)), "generated": trainer.samples(12)}
        write_png(path, np.concatenate([contact_sheet(p, columns=6, title=name, tile=192) for name, p in parts.items()], 0))

    began = time.monotonic()
    schedule = Schedule(options.iterations, options.minutes, options.save_every, options.picture_every)
    with Held() as until_written:
        run(trainer, work, schedule, draw, say, what_follows(options.out, options.evaluate))
        facts = _facts(trainer, time.monotonic() - began, options, None if begin_with is None else begin_with.info)
        return export_sheet(trainer.finished(), tile, trainer.options, facts, options, say, until_written.let_go)


def free_sheets(pairs: Pairs, seed: int, say: Say, threads: int | None = None) -> FreeSheets:
    """Simulate whole sheets, and measure them."""
    say("simulating sheets that lay themselves")
    rng = np.random.default_rng([seed, 5])
    kinds = [random_sheet_kind(i, rng) for i in range(FREE)]
    made = Parallel(n_jobs=threads or cores())(delayed(_free)(kind, seed * 10_000 + i) for i, kind in enumerate(kinds))
    parameters = [draw_silver(p, rng) for _, p in made]
    return FreeSheets.measured(np.stack([sheet for sheet, _ in made]), parameters, pairs, seed=seed)


def _free(kind: str, seed: int) -> tuple[NDArray[np.float16], dict[str, Any]]:
    sheet = synthesize(kind, 256, seed)
    return channels(sheet.color, sheet.height, sheet.opacity).astype(np.float16), dict(sheet.parameters)


def _facts(trainer: SheetTrainer, seconds: float, options: TrainOptions, begin_with: ModelInfo | None) -> dict[str, Any]:
    steps = trainer.iteration
    first = {} if begin_with is None else {"steps_before": begin_with.training.get("steps"), "begins_with": begin_with.name}
    beginning = "" if begin_with is None else f" --begin-with {begin_with.name}"
    return {
        "data": {"source": "simulation", "sheets": SHEETS, "kinds": list(KINDS)}, **first, "steps": steps, "crops_a_step": trainer.batch, "crop": trainer.crop,
        "device": trainer.device.type, "minutes": round(seconds / 60, 1), "seed": options.seed, "torch": torch.__version__.split("+")[0],
        "command": f"washi-latent train --synthetic --kind sheet --out models/{options.out.name} --iterations {steps} --seed {options.seed}{beginning}",
    }  # fmt: skip


def export_sheet(
    module: torch.nn.Module,
    tile: NDArray[np.uint8],
    network: dict[str, Any],
    facts: dict[str, Any],
    options: TrainOptions,
    say: Say,
    written: Callable[[], None] = lambda: None,
) -> ModelInfo:
    """Write the bundle, and tell it; then once more with kinds, pictures and figures: the written model is what is evaluated."""
    description = {
        "title": options.title or "Washi sheets, seamless", "license": options.license or "CC0-1.0", "architecture": "sheet", "options": network,
        "latent": {"dim": 100, "prior": "normal"}, "channels": list(CHANNELS), "size": "any", "size_multiple": 8, "tileable": True,
        "millimetres_per_pixel": 0.1, "training": facts,
    }  # fmt: skip

    def write(figures: dict[str, Any] | None, further: dict[str, bytes]) -> ModelInfo:
        card = _CARD.format(
            title=description["title"], license=description["license"], recipe=network["recipe"], fields=len(network["fields"]),
            evaluated=_evaluated(figures, options.out.name), training="\n".join(f"- {k.replace('_', ' ')}: {v}" for k, v in facts.items() if k not in ("command", "data")),
            command=facts["command"],
        )  # fmt: skip
        files = {"fibres.png": tile_bytes(tile), "README.md": card.encode(), **further}
        return export_bundle(module, options.out, {**description, "evaluation": figures or {}}, files, sheet_inputs(network))

    write(None, {})
    written()
    say("telling its kinds")
    kinds = kinds_files(module)
    model = load_model(options.out, threads=options.threads)
    say("drawing the card's pictures")
    further = {**kinds, **card_pictures(model, options.threads)}
    return write(evaluate_sheets(model, jobs=options.threads or cores(), say=say) if options.evaluate else None, further)


def card_pictures(model: Any, threads: int | None = None) -> dict[str, bytes]:
    """Unselected crops beside simulated ones, and a preview."""
    latents = np.stack([np.random.default_rng(seed).normal(size=model.latent_dim) for seed in range(32)])
    generated = scans(np.concatenate([model.generate(z, 256, seed=seed) for seed, z in enumerate(latents)]))
    rng = np.random.default_rng(5)
    simulated = np.stack(Parallel(n_jobs=threads or cores())(delayed(_scan)(random_sheet_kind(i, rng), 950_000 + i) for i in range(32)))
    halves = [contact_sheet(part, columns=4, title=name, tile=192) for name, part in (("generated, seeds 0 to 31", generated), ("simulated", simulated))]
    preview = np.concatenate([np.concatenate(list(generated[i : i + 4, :192, :192]), 1) for i in (0, 4, 8)], 0)
    return {"crops.png": png_bytes(np.concatenate(halves, 1)), "preview.png": png_bytes(preview)}


def _scan(kind: str, seed: int) -> NDArray[np.float32]:
    return synthesize(kind, 256, seed).scan()


def _evaluated(figures: dict[str, Any] | None, bundle: str) -> str:
    if figures is None:
        return "It was not evaluated."
    return (
        f"{figures['draws']} draws of {figures['sheets']} crops of 256 x 256 pixels each, as a scanner shows them, against {figures['sheets']} held-out simulated ones, in the features of "
        f'`washi_latent/training/features.py`; means over the draws. The column of simulated sheets is what a perfect model would reach.\n\n{table(figures)}\n\n"Recognised" is how often the kind of a held-out sheet is told by its nearest neighbour: where it is '
        f"low, the share of generated ones says little.\n\n```\npython -m washi_latent.training.sheet_evaluation models/{bundle}\n```"
    )
