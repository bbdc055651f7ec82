"""Pairs for the sheet model: fields, and the sheet that the simulation makes of just these fields.

The simulation lays its own fibres. Here it is given the layout that the extension can draw too (`core/fields.py`), so that
a network can learn, with a plain loss, what paper becomes of a layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.fields import FIELD_NAMES, GATED, MILLIMETRES_PER_PIXEL, STRANDS_PER_CM2, gate
from .washi import STRAND_WEIGHT, Inclusions, Pulp, draw_parameters, finish, hole_factor

Array = NDArray[np.float32]

_BROWN, _DARK = np.array([0.28, 0.115, 0.034]), np.array([0.07, 0.04, 0.02])
_LEAF = np.array([0.10, 0.10, 0.034])
_GOLD, _SILVER = np.array([0.52, 0.34, 0.085]), np.array([0.50, 0.49, 0.46])


def sheet_from_fields(fields: Array, parameters: Mapping[str, Any]) -> Array:
    """Make a sheet of a given layout.

    Args:
        fields: (F, H, W) as `draw_fields` gives them.
        parameters: as `draw_parameters` gives them.

    Returns:
        (H, W, 5) float32 in [0, 1]: sRGB colour, height, opacity.
    """
    pulp = pulp_from_fields(dict(zip(FIELD_NAMES, fields, strict=True)), parameters)
    color, height, opacity = finish(pulp, parameters, MILLIMETRES_PER_PIXEL)
    return np.concatenate([color, height[..., None], opacity[..., None]], -1)


def pulp_from_fields(f: Mapping[str, Array], p: Mapping[str, Any]) -> Pulp:
    """The simulation's pulp, laid as the fields say, in the amounts that the parameters say."""
    grammage, one_fibre = p["grammage"], p["coarseness"] / MILLIMETRES_PER_PIXEL
    loose = np.minimum(f["surface"] / 0.72 * grammage * p["surface"], f["surface"] * one_fibre * 2.2)
    bundles = np.minimum(f["bundles"] / 0.109 * grammage * p["bundles"], f["bundles"] * one_fibre * 2.2)
    rest = grammage - float(loose.mean()) - float(bundles.mean())
    long = float(np.clip((p["fibre_length"] - 4) / 4, 0, 1))
    fine = (long * f["long"] + (1 - long) * f["short"]) / np.hypot(long, 1 - long)
    rough = (0.229 * long + 0.186 * (1 - long)) * np.sqrt(24 / rest)
    clouds = np.exp(p["cloud_contrast"] * (0.85 * f["clouds"] + 0.4 * f["billows"]))
    body = rest * clouds * np.maximum(1 + rough * fine, 0.02) * np.maximum(1 + 0.07 * p["grain"] * f["fines"], 0.05)
    narrow = float(np.clip((p["laid_per_cm"] - 7) / 5, 0, 1))
    screen = 1 + 0.75 * p["laid"] * ((1 - narrow) * f["laid_wide"] + narrow * f["laid_narrow"]) - p["chain"] * f["chain"]
    layers = _layers(p["strands"], STRANDS_PER_CM2)
    strands = sum(w * f[n] for w, n in zip(layers, ("strands_few", "strands_some", "strands_many"), strict=True)) * (STRAND_WEIGHT * one_fibre)
    if p["drops"] > 0:
        inside = f["drops"] - float(np.quantile(f["drops"], 1 - p["drops"]))
        holes = hole_factor(inside, p["drop_depth"])
    else:
        holes = np.ones_like(body)
    return Pulp(
        body=body.astype(np.float32),
        bundles=bundles,
        top=loose,
        strands=np.asarray(strands, np.float32),
        screen=np.clip(screen, 0.05, None).astype(np.float32),
        holes=holes,
        mottle=f["clouds"],
        uneven=f["billows"] + 0.5 * f["clouds"],
        cockle=f["billows"],
        brush=f["brush"],
        creases=f["creases"],
        folds=f["folds"],
        inclusions=_LaidInclusions(f, p),  # type: ignore[arg-type] - the same two questions, answered from fields
    )


def _layers(density: float, per_cm2: tuple[float, ...]) -> list[float]:
    """How much of each layer shows, [0, 1], so that together they reach a density."""
    shown: list[float] = []
    for layer in per_cm2:
        shown.append(float(np.clip(density / layer, 0, 1)))
        density -= layer
    return shown


@dataclass(frozen=True, eq=False)
class _LaidInclusions:
    f: Mapping[str, Array]
    p: Mapping[str, Any]

    @property
    def covers(self) -> list[tuple[Array, Array]]:
        """(cover, linear colour) of what lies in the sheet and on it, lowest first."""
        f, p = self.f, self.p
        shown = {name: f[name] * gate(float(np.clip((p[number] - first) / pieces, 0, 1)), f["rank"]) for name, (number, first, pieces) in GATED.items()}
        bark = np.maximum.reduce([shown["slivers"], shown["specks_few"], shown["specks_many"]])
        tone = f["bark_tone"][..., None]
        silver = float(np.clip((p["silver"] - 0.4) / 0.2, 0, 1)) * 0.9
        metal = np.maximum(shown["flakes"], shown["dust"])
        return [
            (bark * 0.9, _BROWN * (1 - tone) + _DARK * tone),
            (shown["leaves"] * 0.95, np.broadcast_to(_LEAF, (*bark.shape, 3))),
            (metal, np.broadcast_to(_GOLD * (1 - silver) + _SILVER * silver, (*bark.shape, 3))),
        ]

    @property
    def thickness(self) -> Array:
        return sum((cover * mm for (cover, _), mm in zip(self.covers, (0.03, 0.03, 0.010), strict=True)), np.float32(0))  # type: ignore[return-value]

    def over(self, color: Array, passing: Array, top: Array) -> tuple[Array, Array]:
        for cover, own in self.covers:
            color = color * (1 - cover)[..., None] + own * cover[..., None]
            passing = passing * (1 - cover * 0.92)
        return np.clip(color, 0, 1).astype(np.float32), passing


__all__ = ["Inclusions", "draw_parameters", "pulp_from_fields", "sheet_from_fields"]
