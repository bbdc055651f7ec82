"""The main job without a person: search three steps twice, interpolate between the finds, write the textures with all their maps.

python scripts/demo.py OUT_FOLDER [--model NAME] [--size 1024] [--count 12]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from washi_latent import __version__
from washi_latent.cli import main as command
from washi_latent.core import WashiError, load_model, write_png
from washi_latent.core.images import rgb, write_json

SEARCHES = (("first", 1, "6,1,6"), ("second", 1, "4,4,2"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--count", type=int, default=12)
    chosen = parser.parse_args()
    named = ["--model", chosen.model] if chosen.model else []
    for name, seed, picks in SEARCHES:
        print(f"searching: {name}", flush=True)
        if code := command(["explore", *named, "--steps", "3", "--pick", picks, "--seed", str(seed), "--out", str(chosen.out / f"search-{name}")]):
            return code
    sessions = [part for name, *_ in SEARCHES for part in ("--from", str(chosen.out / f"search-{name}" / "session.json"))]
    print("interpolating", flush=True)
    folder = chosen.out / "sequence"
    if code := command(["sequence", *named, *sessions, "--ends", "end", "end", "--count", str(chosen.count), "--out", str(folder)]):
        return code
    return write_maps(folder, chosen.model, chosen.size)


def write_maps(folder: Path, model_name: str | None, size: int) -> int:
    """Every texture of the sequence at its full size, with the channels that the model has."""
    import json

    facts = json.loads((folder / "sequence.json").read_text(encoding="utf-8"))
    model = load_model(model_name or facts["model"])
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
