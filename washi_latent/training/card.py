"""A bundle's model card and its pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.images import contact_sheet
from .data import Patches
from .evaluation import nearest_match, table

Pictures = NDArray[np.float32]

_CARD = """# {title}

{summary}

![generated and training patches](patches.png)

Left: generated, not chosen. Right: training patches, chosen at random. One scale.

## What it is

{what}

Licence: {license}. {rights}

## How near it comes

{evaluated}

## Copies?

![generated textures and their most similar training patches](nearest.png)

Left of each pair: a generated texture. Right: the training patch whose fine structure is most like it, of {patches:,}, turned and mirrored ones included.

## How it was trained

{training}

```
{command}
```
"""


def png_bytes(picture: Pictures) -> bytes:
    """(H, W, 3) in [0, 1] as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def card_pictures(generated: Pictures, patches: Patches, seed: int = 0) -> dict[str, bytes]:
    """The pictures of a card: "patches.png", "nearest.png", "preview.png".

    Args:
        generated: (N, H, W, 3) in [0, 1], 48 or more, not chosen.
        patches: what the model learned from.
        seed: chooses training patches.
    """
    chosen = np.random.default_rng(seed).choice(len(patches.train), 48)
    training = patches.train[chosen].astype(np.float32) / 255
    edge = max(128, generated.shape[1])
    halves = [contact_sheet(part, columns=6, title=name, tile=edge) for name, part in (("generated", generated[:48]), ("training patches", training))]
    return {
        "patches.png": png_bytes(np.concatenate(halves, 1)),
        "nearest.png": png_bytes(_pairs(generated[:12], patches.train, edge)),
        "preview.png": png_bytes(_preview(generated[:12])),
    }


def _pairs(generated: Pictures, training: NDArray[np.uint8], edge: int) -> Pictures:
    alike, where = nearest_match(generated, training)
    both = np.stack([generated, training[where].astype(np.float32) / 255], 1).reshape(-1, *generated.shape[1:])
    labels = [text for score in alike for text in ("generated", f"correlation {score:.2f}")]
    return contact_sheet(both, labels, columns=8, tile=edge)


def _preview(generated: Pictures) -> Pictures:
    rows = [np.concatenate(list(generated[i : i + 4]), 1) for i in range(0, 12, 4)]
    larger = max(1, 128 // generated.shape[1])
    return np.concatenate(rows, 0).repeat(larger, 0).repeat(larger, 1)


def write_card(description: Mapping[str, Any], figures: Mapping[str, Any] | None, patches: Patches, bundle: str) -> str:
    """The card as Markdown.

    Args:
        description: as in `model.json`, with "training" as `train` fills it.
        figures: of `evaluate`, or None.
        patches: what the model learned from.
        bundle: the bundle's name.
    """
    facts = description["training"]
    simulated = facts["data"]["source"] == "simulation"
    return _CARD.format(
        title=description["title"],
        license=description["license"],
        patches=len(patches.train),
        training=_trained(facts),
        command=facts["command"],
        summary=_SIMULATED if simulated else _PHOTOGRAPHS[description["architecture"]],
        what=_what(description),
        rights="Everything it learned from was simulated by this program."
        if simulated
        else "The photographs it learned from are their owner's: check that you may pass on what was learned from them.",
        evaluated=_evaluated(figures, bundle, simulated),
    )


_SIMULATED = """Handmade Japanese paper as small textures. **It learned from a simulation of washi, not from real sheets**: it can show
no kind of paper and no flaw that the simulation does not draw."""


_PHOTOGRAPHS = {"dcgan": "Textures learned from photographs.", "sheet": "Seamless sheets of any size, learned from photographs. Red, green and blue only."}


def _what(description: Mapping[str, Any]) -> str:
    return _what_sheet(description) if description["architecture"] == "sheet" else _what_dcgan(description)


def _what_sheet(description: Mapping[str, Any]) -> str:
    scale, options = description["millimetres_per_pixel"], description["options"]
    return (
        f"{description['latent']['dim']} normally distributed numbers say which paper; the seed says which sheet of that paper. The latent becomes a recipe of {options['recipe']} numbers "
        "(principal components of statistics of the photographs' crops) by a rectified flow (Liu 2023, Lipman 2023); the recipe composes "
        f"{len(options['fields'])} periodic fields of drawn fibres, clouds, bark, laid lines and creases "
        "(`washi_latent/core/fields.py`) into paper, by a small convolutional network at full resolution that the recipe modulates. Sheets tile, at any size. "
        "It shows the photographs' papers as far as those fields can form them. Colour is all that it learned: photographs tell no height and no opacity, "
        "so material maps of them are estimates from colour. The photographs were turned and mirrored: relief may be lit from any of eight sides. "
        + (f"Scale: {scale:g} mm a pixel." if scale else "Its scale is that of the photographs, one pixel of theirs a pixel.")
    )


def _what_dcgan(description: Mapping[str, Any]) -> str:
    scale = description["millimetres_per_pixel"]
    size = " x ".join(str(n) for n in description["size"])
    kinds = f" {description['training']['kinds']}." if "kinds" in description["training"] else ""
    light = (
        " The patches are lit from one side, and turned and mirrored for training: so a texture's relief may be lit from any of eight sides." if scale else ""
    )
    return (
        f"A DCGAN generator (Radford, Metz and Chintala 2015): {description['latent']['dim']} normally distributed numbers to {size} pixels of red, green and blue. "
        + (f"A picture shows 6.4 to 13 mm of paper, {scale:g} mm a pixel in the middle." if scale else "Its scale is that of the photographs.")
        + kinds
        + " Pictures do not tile."
        + light
    )


_RECOGNISED = (
    '"Recognised" is how often the kind of another training patch is told by its nearest neighbour in these features: where it is low, '
    "the share of generated ones says little.\n\n"
)


def _evaluated(figures: Mapping[str, Any] | None, bundle: str, simulated: bool) -> str:
    if figures is None:
        return "It was not evaluated."
    command = f"python -m washi_latent.training.evaluation models/{bundle}" + ("" if simulated else " --images FOLDER")
    return (
        f"Figures are means over {figures['rounds']} draws of {figures['pictures']:,} pictures, against patches of sheets that were held out. The column of training patches is what a perfect model "
        "would reach. Features are colour moments, radial and angular spectrum and a Gabor bank (`washi_latent/training/features.py`), each in units of its deviation among training patches.\n\n"
        f"{table(figures)}\n\n{_RECOGNISED if 'kinds' in figures else ''}```\n{command}\n```"
    )


def _trained(facts: Mapping[str, Any]) -> str:
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items() if name not in ("data", "kinds", "command")]
    return "\n".join([f"- data: {', '.join(f'{k} {v}' for k, v in facts['data'].items())}", *lines])
