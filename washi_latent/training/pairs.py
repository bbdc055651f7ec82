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

from ..core.fields import BUNDLES_PER_MM2, FIELD_NAMES, GATED, MILLIMETRES_PER_PIXEL, PIECES, RANKS, STRANDS_PER_CM2, SURFACE_PER_MM2, gate, metal_tone
from .washi import STRAND_WEIGHT, TILE_FIBRES, TILE_GRAMMAGE, Inclusions, Pulp, draw_parameters, finish, hole_factor

Array = NDArray[np.float32]

_DRAWN = 0.885
"""Mass that the simulation's pen leaves of what it is told: its lines are a little narrower than a pixel."""
_SURFACE_MM, _BUNDLE_MM = 9.5, 45.0
"""Mass of one loose fibre and of one bundle over coarseness. The simulation's bundles weigh half of what they are told: their fibres come late and leave early."""
_UNEVEN = 8.2
"""Relative variance of the mass over a pixel, times grammage over coarseness: single fibres, laid anywhere."""
_BRUSHED = 0.8
"""The fields' strokes run across the light, the simulation's half of the time along it."""
_BARK = 0.9
"""Of a piece's cover: the fields' pieces are a little larger and sharper than the simulation's."""
_FINES = float(np.hypot(0.06, 0.03))

_BROWN, _DARK = np.array([0.32, 0.135, 0.04]), np.array([0.08, 0.045, 0.02])
_GREEN, _AUTUMN = np.array([0.055, 0.085, 0.025]), np.array([0.24, 0.13, 0.045])
_GOLD, _SILVER = np.array([0.52, 0.34, 0.085]), np.array([0.50, 0.49, 0.46])
SILVER = (0.4, 0.6)
"""From which colour of metal on it is no longer gold, and from which on it is silver."""
PAINTS: dict[str, tuple[Any, Any]] = {"bark": (_BROWN, _DARK), "leaf": (_GREEN, _AUTUMN), "metal": (_GOLD * 1.2, _GOLD * 0.8)}
"""Colours of pieces, linear: pale ones and dark ones."""
SILVER_PAINTS = tuple((_GOLD * 0.1 + _SILVER * 0.9) * tone for tone in (1.2, 0.8))


def sheet_from_fields(fields: Array, parameters: Mapping[str, Any]) -> Array:
    """Make a sheet of a given layout.

    Args:
        fields: (F, H, W) as `draw_fields` gives them.
        parameters: as `draw_parameters` gives them.

    Returns:
        (H, W, 5) float32 in [0, 1]: sRGB colour, height, opacity.
    """
    pulp = pulp_from_fields(dict(zip(FIELD_NAMES, fields, strict=True)), parameters)
    return channels(*finish(pulp, parameters, MILLIMETRES_PER_PIXEL))


def channels(color: Array, height: Array, opacity: Array) -> Array:
    """(H, W, 3), (H, W) and (H, W) as one sheet (H, W, 5)."""
    return np.concatenate([color, height[..., None], opacity[..., None]], -1)


def pulp_from_fields(f: Mapping[str, Array], p: Mapping[str, Any]) -> Pulp:
    """The simulation's pulp, laid as the fields say, in the amounts that the parameters say."""
    grammage, one_fibre = p["grammage"], p["coarseness"] / MILLIMETRES_PER_PIXEL
    loose = _pieces(f, ("surface_few", "surface_many"), grammage * p["surface"] / (p["coarseness"] * _SURFACE_MM), SURFACE_PER_MM2) * one_fibre
    bundles = _pieces(f, ("bundles_few", "bundles_many"), grammage * p["bundles"] / (p["coarseness"] * _BUNDLE_MM), BUNDLES_PER_MM2) * one_fibre
    rest = grammage * (1 - p["surface"] - p["bundles"])
    long = float(np.clip((p["fibre_length"] - 4) / 4, 0, 1))
    coarse = TILE_FIBRES[0][1] * long + TILE_FIBRES[1][1] * (1 - long)
    sparse, dense = _layered(rest * coarse / p["coarseness"], coarse)
    fine = sum(w * (long * f[n] + (1 - long) * f[m]) for w, n, m in ((sparse, "sparse_long", "sparse_short"), (dense, "long", "short"))) / np.hypot(
        long, 1 - long
    )
    # Fibres are long against clouds: the longer, the less is left of them.
    clouds = np.exp(p["cloud_contrast"] * ((0.35 - 0.24 * long) * f["clouds"] + (0.22 - 0.04 * long) * f["billows"]))
    body = rest * _DRAWN * clouds / float(clouds.mean()) * np.maximum(1 + fine, 0.02) * np.maximum(1 + _FINES * p["grain"] * f["fines"], 0.05)
    narrow = float(np.clip((p["laid_per_cm"] - 9.2) / 0.6, 0, 1))
    wires = (1 - narrow) * f["laid_wide"] + narrow * f["laid_narrow"]
    screen = 1 + p["laid"] * (0.75 * wires + 0.25 * wires**2 - 0.125) - p["chain"] * f["chain"]
    strands = _pieces(f, ("strands_few", "strands_some", "strands_many"), p["strands"], STRANDS_PER_CM2) * (STRAND_WEIGHT * one_fibre)
    if p["drops"] > 0:
        inside = f["drops"] - float(np.quantile(f["drops"], 1 - p["drops"]))
        holes = hole_factor(inside, p["drop_depth"])
    else:
        holes = np.ones_like(body)
    return Pulp(
        body=body.astype(np.float32),
        bundles=bundles,
        top=loose,
        strands=strands,
        screen=np.clip(screen, 0.05, None).astype(np.float32),
        holes=holes,
        mottle=f["clouds"],
        uneven=f["billows"] + 0.5 * f["flecks"],
        cockle=f["billows"],
        brush=f["brush"] * _BRUSHED,
        creases=f["creases"],
        folds=f["folds"],
        inclusions=_LaidInclusions(f, p),  # type: ignore[arg-type] - the same two questions, answered from fields
    )


def _layered(grammage: float, coarseness: float) -> tuple[float, float]:
    """How much of the sparse and of the dense tile, relative to the mass: in sum as uneven as so many fibres are.

    Sheets add up like Poisson processes: as thick as both tiles together each has the weight 1; as thin as the sparse one,
    it alone; between, what keeps mean and variance.
    """
    thin, thick = TILE_GRAMMAGE
    variance = _UNEVEN * coarseness / grammage
    if grammage <= thin:
        return float(np.sqrt(variance)), 0.0
    if grammage >= thin + thick:
        share = thin / (thin + thick)
    else:
        both = thin + thick
        weight = (grammage * thin + np.sqrt(grammage * thin * thick * (both - grammage))) / (thin * both)
        share = weight**2 * thin / grammage
    return float(np.sqrt(variance * share)), float(np.sqrt(variance * (1 - share)))


def _pieces(f: Mapping[str, Array], names: tuple[str, ...], density: float, layers: tuple[float, ...]) -> Array:
    """Fibres over a pixel at a density: layer after layer appears; beyond all of them, everything is heavier."""
    shown, result = density, np.zeros_like(f[names[0]])
    for name, layer in zip(names, layers, strict=True):
        result += np.float32(np.clip(shown / layer, 0, 1) * _DRAWN) * f[name]
        shown -= layer
    return result * np.float32(max(1.0, density / sum(layers)))


def covers(f: Mapping[str, Array], p: Mapping[str, Any]) -> dict[str, Array]:
    """How much of the paper bark, leaf and metal hide in a layout, (H, W) in [0, 1], lowest first."""
    shown = {name: f[name] * gate(float(np.clip((p[number] - first) / pieces, 0, 1)), f[RANKS[name]]) for name, (number, first, pieces) in GATED.items()}
    return {name: np.maximum.reduce([shown[field] for field in own]) for name, own in PIECES.items()}


@dataclass(frozen=True, eq=False)
class _LaidInclusions:
    f: Mapping[str, Array]
    p: Mapping[str, Any]

    @property
    def covers(self) -> list[tuple[Array, Array]]:
        """(cover, linear colour) of what lies in the sheet and on it, lowest first."""
        f, p, cover = self.f, self.p, covers(self.f, self.p)
        tone, metal_tones = f["tone"][..., None], metal_tone(f["metal_rank"])[..., None]
        silver = float(np.clip((p["silver"] - SILVER[0]) / (SILVER[1] - SILVER[0]), 0, 1)) * 0.9
        return [
            (cover["bark"] * _BARK, _BROWN * (1 - tone) + _DARK * tone),
            (cover["leaf"], _GREEN * (1 - tone) + _AUTUMN * tone),
            (cover["metal"], (_GOLD * (1 - silver) + _SILVER * silver) * (1.2 - 0.4 * metal_tones)),
        ]

    @property
    def thickness(self) -> Array:
        return sum((cover * mm for (cover, _), mm in zip(self.covers, (0.03, 0.03, 0.010), strict=True)), np.float32(0))  # type: ignore[return-value]

    def over(self, color: Array, passing: Array, top: Array) -> tuple[Array, Array]:
        veil = np.clip(1 - top / 16, 0.7, 1)
        for (plane, own), seen in zip(self.covers, (veil, veil, np.ones_like(veil)), strict=True):
            cover = plane * seen
            color = color * (1 - cover)[..., None] + own * cover[..., None]
            passing = passing * (1 - cover * 0.92)
        return np.clip(color, 0, 1).astype(np.float32), passing


__all__ = ["Inclusions", "covers", "draw_parameters", "pulp_from_fields", "sheet_from_fields"]
