"""The gallery in the window, by mouse and keys (walk_gallery.py), and every way in which it ends (walk_gallery_ends.py)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .desktop import Desktop

pytestmark = pytest.mark.desktop


@pytest.fixture(scope="module")
def walked(desktop: Desktop) -> dict[str, Any]:
    seen = desktop.walk(Path(__file__).parent / "walk_gallery.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    return seen


@pytest.fixture(scope="module")
def ended(desktop: Desktop) -> dict[str, Any]:
    seen = desktop.walk(Path(__file__).parent / "walk_gallery_ends.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    return seen


def node(seen: dict[str, Any]) -> dict[str, Any]:
    """The saved node where the search stands."""
    state = json.loads(seen["state"])
    parent, picked, draw, _, _ = state["nodes"][state["current"]]
    return {"parent": parent, "picked": picked, "draw": draw}


def screen(seen: dict[str, Any], name: str) -> np.ndarray:
    return np.asarray(Image.open(seen["folder"] / f"{name}.png").convert("RGB")).astype(float)


def test_thumbnails_have_the_colours_of_their_textures_and_stand_upright(walked: dict[str, Any]) -> None:
    shown = screen(walked, "1-hovered")
    for one in walked["colors"]:
        x, y, edge = one["box"]
        half = edge // 2
        seen = {0: shown[y + half : y + edge, x : x + half], 3: shown[y : y + half, x + half : x + edge]}  # the corners without labels
        for quarter, pixels in seen.items():
            assert np.abs(pixels.mean((0, 1)) - one["quarters"][quarter]).max() < 3


def test_pointing_at_a_thumbnail_is_seen(walked: dict[str, Any]) -> None:
    assert walked["hovered"] == 2


def test_f_keeps_what_is_pointed_at(walked: dict[str, Any]) -> None:
    before, kept = walked["before"], walked["kept"]
    assert len(kept["favourites"]) == len(before["favourites"]) + 1
    state = json.loads(kept["state"])
    assert np.frombuffer(base64.b64decode(state["kept"]), state["numbers"]).tolist() == np.frombuffer(bytes(kept["latents"][0]), "<f8").tolist()


def test_a_and_b_are_the_ends_of_the_sequence(walked: dict[str, Any]) -> None:
    assert [list(base64.b64decode(end)) for end in walked["kept"]["ends"]] == walked["kept"]["latents"]


def test_wheel_goes_to_the_next_member_of_the_cluster(walked: dict[str, Any]) -> None:
    scrolled = walked["scrolled"]
    assert scrolled["from"] == scrolled["members"][0]
    assert scrolled["to"] == scrolled["members"][1]


def test_click_picks_what_is_shown(walked: dict[str, Any]) -> None:
    assert node(walked["picked"]) == {"parent": 0, "picked": walked["scrolled"]["to"], "draw": 0}


def test_backspace_goes_back_and_keys_pick(walked: dict[str, Any]) -> None:
    assert (walked["back"]["at"], walked["back"]["places"]) == (0, 2)
    assert (walked["picked by key"]["at"], walked["picked by key"]["places"]) == (2, 3)


def test_n_draws_others_and_undo_takes_that_back(walked: dict[str, Any]) -> None:
    assert node(walked["others"])["draw"] == 1
    assert walked["undone"] == walked["picked by key"]


def test_one_undo_takes_back_a_pick(walked: dict[str, Any]) -> None:
    assert walked["pick undone"] == walked["back"]


def test_keys_do_not_reach_the_scene_below(walked: dict[str, Any]) -> None:
    assert walked["after X"] == walked["undone"]


def test_esc_leaves_nothing_behind(walked: dict[str, Any]) -> None:
    left = walked["left"]
    assert left["open"] is False
    assert left["modal"] == []
    assert left["images"] == walked["before"]["images"]
    assert walked["forgotten"], "the gallery, and the textures that it holds, are still in memory"
    before, after = screen(walked, "0-before"), screen(walked, "7-left")
    viewport = np.s_[300:800, 100:900]
    assert np.abs(before[viewport] - after[viewport]).mean() < 1


@pytest.mark.parametrize("way", ["right mouse", "opened again", "second Esc", "another editor", "area closed", "file opened"])
def test_every_way_out_leaves_nothing_behind(ended: dict[str, Any], way: str) -> None:
    assert ended[way] == ended["before"]
    assert ended["before"]["open"] is False


def test_esc_first_ends_the_work_that_goes_on(ended: dict[str, Any]) -> None:
    assert ended["first Esc"]["open"] is True


def test_panel_can_be_used_beside_the_gallery(ended: dict[str, Any]) -> None:
    assert ended["panel works beside it"] is True


def test_disabling_the_extension_ends_an_open_gallery(ended: dict[str, Any]) -> None:
    assert ended["disabled"] == {**ended["before"], "type": False}
    assert ended["forgotten"] == [True, True]


def test_blender_saves_its_backup_while_the_gallery_is_open(desktop: Desktop) -> None:
    seen = desktop.walk(Path(__file__).parent / "walk_autosave.py")
    assert seen["error"] is None, seen["error"] + seen["output"]
    assert seen["same"]
    assert seen["kept"] == 1
    assert seen["closed"] == {"open": False, "modal": [], "images": seen["closed"]["images"]}
