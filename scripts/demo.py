"""The main job without a person: search twice for a paper that it has in mind, interpolate between the finds, write the textures with all their maps.

python scripts/demo.py OUT_FOLDER [--model NAME] [--size 1024] [--count 12]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from washi_latent import __version__
from washi_latent.cli import main as command
from washi_latent.core import TextureModel, WashiError, load_model, read_kinds, write_png
from washi_latent.core.images import rgb, write_json
from washi_latent.core.models import DEFAULT_MODEL

IN_MIND = {"first": ("unryu", 2), "second": ("kakishibu", 6)}
"""What a search has in mind: one of a kind's examples. It takes what looks most like that, so that another processor's rounding leads to about the same finds."""

STEPS = 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--count", type=int, default=12)
    chosen = parser.parse_args()
    model = load_model(chosen.model)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(IN_MIND):
        print(f"searching: {name}", flush=True)
        wanted = chosen.out / f"in-mind-{name}.png"
        write_in_mind(wanted, model, name)
        folder = chosen.out / f"search-{name}"
        if code := command(["explore", "--model", chosen.model, "--steps", str(STEPS), "--toward", str(wanted), "--seed", str(number), "--out", str(folder)]):
            return code
    sessions = [part for name in IN_MIND for part in ("--from", str(chosen.out / f"search-{name}" / "session.json"))]
    print("interpolating", flush=True)
    folder = chosen.out / "sequence"
    if code := command(["sequence", "--model", chosen.model, *sessions, "--ends", "end", "end", "--count", str(chosen.count), "--out", str(folder)]):
        return code
    return write_maps(folder, model, chosen.size)


def write_in_mind(file: Path, model: TextureModel, name: str) -> None:
    """A picture of what a search has in mind; of any paper, where the model knows no such kind."""
    kind, number = IN_MIND[name]
    known = {one.name: one.examples for one in read_kinds(model.info)}
    latent = known[kind][number] if kind in known else np.random.default_rng(number).normal(size=model.latent_dim)
    write_png(file, rgb(model.generate(latent, 256 if model.info.size is None else None)[0]))


def write_maps(folder: Path, model: TextureModel, size: int) -> int:
    """Every texture of the sequence at its full size, with the channels that the model has."""
    import json

    facts = json.loads((folder / "sequence.json").read_text(encoding="utf-8"))
    edge = size if model.info.size is None else None
    for i, latent in enumerate(facts["latents"]):
        texture = model.generate(latent, edge, facts["seed"])[0]
        provenance = {"model": model.info.name, "latent": latent, "seed": facts["seed"], "version": __version__}
        for kind, channels in channel_maps(model.info.channels).items():
            plane = rgb(texture) if kind == "color" else texture[..., channels]
            write_png(folder / f"texture-{i:03d}_{kind}.png", plane, provenance, 16 if kind == "height" else 8)
        print(f"texture {i + 1} of {len(facts['latents'])}", file=sys.stderr, flush=True)
    scale = model.info.millimetres_per_pixel or 0.15
    write_json(folder / "sequence.json", {**facts, "size": texture.shape[0], "tile_metres": texture.shape[0] * scale / 1000})
    return 0


def channel_maps(channels: tuple[str, ...]) -> dict[str, int]:
    """Which maps a model gives: "color", and the place of "height" and "opacity" among its channels."""
    return {"color": 0} | {name: channels.index(name) for name in ("height", "opacity") if name in channels}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WashiError as error:
        sys.exit(f"demo: {error}")
