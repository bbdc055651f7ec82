"""How near a sheet model's network comes to the simulation, given the same layout and the same recipe.

    python scripts/measure_composing.py MODEL [MODEL ...] [--sheets 120] [--seed 3]

Layouts and papers are ones that no training run has seen. Colour differences are means over pixels in levels of 255, by what lies
there; `fine` and `clouds` compare power below 0.8 mm and above 4 mm with the simulation's, in decibels (0: as strong). The seed is the one
that the model was trained with (its card says it): recipes are standardized by what that run drew. Needs the training extra.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from washi_latent.core.fields import FIELD_NAMES, PIECES, draw_fields
from washi_latent.core.models import locate, read_file, read_info, torch_generator
from washi_latent.training.pairs import covers, sheet_from_fields
from washi_latent.training.sheet import LAYOUT, draw_paper, fibre_tile, random_sheet_kind, recipe_vector, usual_recipes
from washi_latent.training.sheet_pipeline import SHEETS

UNSEEN = 950_000


def scale_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of recipes as the training run of this seed drew them, after its sheets."""
    rng = np.random.default_rng(seed)
    for i in range(SHEETS):
        draw_paper(random_sheet_kind(i, rng), rng)
    return usual_recipes(rng)


def pieces_in(layout: np.ndarray, parameters: dict) -> dict[str, np.ndarray]:
    """Where pieces of bark, leaf and metal hide most of the paper, and where there is none: masks."""
    seen = covers(dict(zip(FIELD_NAMES, layout, strict=True)), parameters)
    masks = {name: seen[name] > 0.6 for name in PIECES}
    for lower in ("bark", "leaf"):
        masks[lower] &= seen["metal"] == 0
    return {"paper": np.maximum.reduce(list(seen.values())) == 0, **masks}


def power(sheet: np.ndarray) -> np.ndarray:
    """(fine, clouds): logarithmic power of the brightness, periodic, in decibels."""
    light = sheet[..., :3].mean(2)
    spectrum = np.abs(np.fft.fft2(light - light.mean())) ** 2
    period = 0.1 / np.maximum(np.hypot(np.fft.fftfreq(len(light))[:, None], np.fft.fftfreq(len(light))[None]), 1e-9)
    return 10 * np.log10([spectrum[period < 0.8].sum(), spectrum[(period > 4) & (period < 100)].sum()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names or folders of sheet models made from the simulation; NAME=FOLDER names one in the table")
    parser.add_argument("--sheets", type=int, default=120)
    parser.add_argument("--seed", type=int, default=3, help="the seed that the models were trained with")
    arguments = parser.parse_args()
    mean, deviation = scale_of(arguments.seed)
    rng, tile = np.random.default_rng(UNSEEN), fibre_tile()
    networks = {name: network(where or name) for name, _, where in (model.partition("=") for model in arguments.models)}
    colors: dict[str, dict[str, list[float]]] = {name: {} for name in networks}
    powers: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for i in range(arguments.sheets):
        parameters = draw_paper(random_sheet_kind(3 * i if i % 2 else 1, rng), rng)
        layout = draw_fields(LAYOUT, LAYOUT, UNSEEN + i, tile)
        wanted, masks = sheet_from_fields(layout, parameters), pieces_in(layout, parameters)
        recipe = torch.from_numpy(((recipe_vector(parameters) - mean) / deviation).astype(np.float32)[None])
        for name, generator in networks.items():
            padded = torch.from_numpy(np.pad(layout, ((0, 0), *((generator.margin,) * 2,) * 2), mode="wrap")[None])
            with torch.no_grad():
                made = generator.compose(recipe, padded)[0].permute(1, 2, 0).numpy()
            off = np.abs(made[..., :3] - wanted[..., :3]).mean(2) * 255
            for what, mask in masks.items():
                if mask.sum() >= 20:
                    colors[name].setdefault(what, []).append(float(off[mask].mean()))
            powers[name].append(power(made) - power(wanted))
    print("| model | paper | bark | leaf | metal | fine, dB | clouds, dB |\n| --- | --- | --- | --- | --- | --- | --- |")
    for name, found in colors.items():
        levels = " | ".join(f"{np.mean(found[what]):.2f}" if what in found else "-" for what in ("paper", *PIECES))
        fine, clouds = np.mean(powers[name], 0)
        print(f"| {Path(name).name} | {levels} | {fine:+.2f} | {clouds:+.2f} |")


def network(name: str) -> torch.nn.Module:
    info = read_info(locate(name))
    return torch_generator(info, read_file(info, "generator.safetensors"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
