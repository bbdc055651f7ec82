"""The search of a scene, as panels, operators and the gallery see it: gestures change it, looks come by themselves.

Everything that an artist would miss is in `scene.washi`; here are only pictures, which the same search makes again.
Call on the main thread only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import bpy

from . import engine, preferences, previews
from .jobs import Job, acting, jobs, redraw
from .references import Reference, found, reference
from .translations import MESSAGE

if TYPE_CHECKING:
    from ..core.search import Search

_given_up: set[tuple[Any, ...]] = set()
_undrawn: set[previews.Small] = set()
"""Small pictures that could not be drawn, or were cancelled: they aren't tried again unasked."""
_opened: tuple[Any, ...] = ()
_shown: list[engine.Look] = []
_drawn: Reference = ""
"""The scene whose panels were drawn last without a look."""
_sculpted: object = None
"""What `sculpture` said when the last step in Sculpt Mode was taken."""


# Where the search stands


def place(scene: bpy.types.Scene) -> engine.Place | None:
    """Where the scene's search stands; None where there is none."""
    return engine.place(scene.washi.state) if scene.washi.state else None


def look(scene: bpy.types.Scene) -> engine.Look | None:
    """What is shown there, once it is computed."""
    stands = place(scene)
    return engine.kept_look(stands.key) if stands else None


def shown(scene: bpy.types.Scene) -> engine.Look | None:
    """What is shown while the look at the present place isn't there yet: the one before, so that panels don't jump."""
    found = look(scene)
    if found is not None:
        _shown[:] = [found]
    return found or next(iter(_shown), None)


def open_members(scene: bpy.types.Scene, index: int) -> None:
    """Show all candidates that a representative stands for, until the search moves; -1 shows the representatives again."""
    global _opened  # noqa: PLW0603 - of the window, not of the file
    stands = place(scene)
    _opened = (stands.key, index) if stands and index >= 0 else ()


def opened(scene: bpy.types.Scene) -> int:
    """The representative whose candidates are shown, or -1."""
    stands = place(scene)
    return _opened[1] if stands and _opened and _opened[0] == stands.key else -1


def given_up(scene: bpy.types.Scene) -> bool:
    """Whether looking there failed or was cancelled: it isn't tried again unasked."""
    stands = place(scene)
    return stands is not None and stands.key in _given_up


# Gestures

NONE_YET = MESSAGE("There is no search here yet: begin with Explore")
UNREADABLE = MESSAGE("The search of this scene can't be read: begin a new one, or open the file with the newest Washi Latent")
LINKED = MESSAGE("This scene belongs to another file: make it local, or search in a scene of this file")
"""What is changed in a linked scene would not be saved."""


def write(scene: bpy.types.Scene, packed: str) -> None:
    """Keep a search in the scene, with the lists and settings that mirror it."""
    changing()
    washi, before = scene.washi, place(scene)
    washi.state = packed
    redraw()
    stands = engine.place(packed)
    if stands is None or before is None or (stands.model, stands.here) != (before.model, before.here):
        reset_directions(scene)
    _resize(washi.history, len(stands.parents) if stands else 0)
    _resize(washi.favourites, len(stands.favourites) if stands else 0)
    washi.favourite_index = max(0, min(washi.favourite_index, len(washi.favourites) - 1))
    if stands is None:
        return
    washi.model = stands.model
    _mirror(washi, history_index=stands.current)
    for row, name in zip(washi.favourites, stands.favourites, strict=True):
        _mirror(row, name=name)
    _mirror_settings(washi, stands)


def changing() -> None:
    """The scene changes: in Edit Mode, and where pictures or hair are painted, see to it that the next undo step holds that.

    Steps there hold what is edited; undo brings back the rest of the file from the last step that held all of it, and with it
    an older search. A datablock that came or went since has Blender keep all of the file with the next step.
    """
    mode, editor = bpy.context.mode, bpy.context.space_data
    painting = editor is not None and editor.type == "IMAGE_EDITOR" and editor.mode == "PAINT"
    if painting or mode.startswith("EDIT") or mode in {"PAINT_TEXTURE", "PARTICLE"}:
        bpy.data.texts.remove(bpy.data.texts.new("Washi"))


def stepping() -> None:
    """A step of the artist's comes: what waits to be one is one of its own, and so is what was sculpted."""
    acting()
    hold_sculpture()


def hold_sculpture() -> None:
    """In Sculpt Mode, where something was sculpted since the last step of ours, push one that holds the whole file.

    From a step of ours back to a stroke Blender takes back nothing but strokes; the search would come back one undo later, with the stroke.
    """
    global _sculpted  # noqa: PLW0603 - of the undo stack, of which there is one
    if bpy.context.mode != "SCULPT":
        return
    now = sculpture(bpy.context.view_layer.objects.active)
    if now != _sculpted:
        push(MESSAGE("Sculpted"))
        _sculpted = now


SCULPTED = {
    "FLOAT_VECTOR": ("vector", 3, "f4"),
    "FLOAT": ("value", 1, "f4"),
    "INT": ("value", 1, "i4"),
    "FLOAT_COLOR": ("color", 4, "f4"),
    "BYTE_COLOR": ("color", 4, "f4"),
}
"""Of attributes by their type: the property, how many numbers it is and of which kind."""


def sculpture(thing: bpy.types.Object) -> object:
    """What tells a mesh that is sculpted from one that was sculpted on; where its strokes lie elsewhere, never the same."""
    import numpy as np

    mesh = thing.data
    if thing.use_dynamic_topology_sculpting or mesh.shape_keys is not None or any(one.type == "MULTIRES" for one in thing.modifiers):
        return object()
    parts: list[tuple[str, int]] = []
    for attribute in mesh.attributes:
        if attribute.data_type in SCULPTED and not attribute.name.startswith((".edge", ".corner")):
            name, width, kind = SCULPTED[attribute.data_type]
            values = np.empty(len(attribute.data) * width, kind)
            attribute.data.foreach_get(name, values)
            parts.append((attribute.name, zlib.crc32(values)))
    return thing.session_uid, parts


def reset_directions(scene: bpy.types.Scene) -> None:
    """Set the sliders of the directions back to 0, which leaves nothing of them in the file; no update hears of it."""
    sliders = scene.washi.directions
    for known in sliders.bl_rna.properties:
        if known.type == "FLOAT":
            sliders.property_unset(known.identifier)


def _resize(rows: bpy.types.Collection, count: int) -> None:
    while len(rows) > count:
        rows.remove(len(rows) - 1)
    while len(rows) < count:
        rows.add()


def _mirror_settings(washi: Any, stands: engine.Place) -> None:
    settings = stands.settings
    for name in ("concentration", "radius", "samples", "representatives", "method", "elsewhere", "nearest", "shell", "step"):
        _mirror(washi, **{name: settings[name]})
    head, _, target = settings["direction"].partition(":")
    spread, reach = engine.spread_and_reach(settings, preferences.model_folder(stands.model))
    _mirror(washi, aim=head, target=target or washi.target, spread=spread, reach=reach)


def _mirror(group: Any, **values: Any) -> None:
    """Set what properties show, past their setters, which would change the search."""
    for name, value in values.items():
        known = group.bl_rna.properties[name]
        group[name] = known.enum_items.find(value) if known.type == "ENUM" else value


def walk(scene: bpy.types.Scene, gesture: Callable[[Search], Any]) -> str | None:
    """Change the scene's search, and look there; what went wrong in one sentence, or None."""
    from ..core.errors import WashiError

    stepping()
    stands = place(scene)
    try:
        if not scene.is_editable:
            raise WashiError(LINKED)
        if stands is None:
            raise WashiError(UNREADABLE if scene.washi.state else NONE_YET)
        packed = engine.walk(scene.washi.state, preferences.model_folder(stands.model), gesture)
    except WashiError as error:
        jobs.error = str(error)
        if stands is not None and scene.is_editable and preferences.model_folder(stands.model):
            write(scene, scene.washi.state)  # settings show again what the search says
        return jobs.error
    jobs.error = jobs.note = ""
    write(scene, packed)
    look_soon(scene)
    return jobs.error or None


def pick(scene: bpy.types.Scene, index: int) -> str | None:
    """Pick a candidate; what was shown and not picked teaches the search, too."""
    found = look(scene)
    return walk(scene, lambda search: engine.pick(search, index, found.seen if found else None))


def others(scene: bpy.types.Scene) -> str | None:
    """Look at others: none of what was shown is nearer to what is in mind."""
    found = look(scene)
    return walk(scene, lambda search: search.others(found.seen if found else None))


def adjust(scene: bpy.types.Scene, values: dict[str, Any]) -> str | None:
    """Look around the same place with other settings; see `engine.adjust`."""
    return walk(scene, lambda search: engine.adjust(search, values))


def aim(scene: bpy.types.Scene) -> str | None:
    """Point the light where the settings say."""
    washi, stands = scene.washi, place(scene)
    if stands is None or (washi.aim == "favourite" and washi.target not in stands.favourites):
        return None
    return adjust(scene, {"direction": washi.aim if washi.aim != "favourite" else f"favourite:{washi.target}"})


def rename(scene: bpy.types.Scene, old: str, new: str) -> str | None:
    """Give a favourite another name."""
    return walk(scene, lambda search: engine.rename(search, old, new))


def choose_model(scene: bpy.types.Scene, name: str) -> str | None:
    """Search another model: every model of a scene keeps a search of its own; what went wrong in one sentence, or None."""
    washi = scene.washi
    if name == washi.model:
        return None
    if not scene.is_editable:
        jobs.error = LINKED
        return LINKED
    if washi.state:
        aside = washi.searches.get(washi.model) or washi.searches.add()
        aside.name, aside.state = washi.model, washi.state
    other = washi.searches.find(name)
    packed = washi.searches[other].state if other >= 0 else ""
    if other >= 0:
        washi.searches.remove(other)
    washi.model = name
    jobs.error = ""
    write(scene, packed)
    look_soon(scene)
    return None


def free_name(scene: bpy.types.Scene) -> str:
    """A name that no favourite has yet."""
    stands, number = place(scene), 1
    taken = set(stands.favourites) if stands else set()
    base = bpy.app.translations.pgettext_data("Favourite")
    while f"{base} {number}" in taken:
        number += 1
    return f"{base} {number}"


def push(message: str) -> None:
    """Push an undo step for what a job has written."""
    if bpy.ops.ed.undo_push.poll():
        bpy.ops.ed.undo_push(message=bpy.app.translations.pgettext_iface(message))


# Looks


def begin(
    scene: bpy.types.Scene,
    operator: bpy.types.Operator | None = None,
    message: str = MESSAGE("Explore"),
    latent: Sequence[float] | None = None,
    noise_seed: int | None = None,
) -> set[str]:
    """Begin a new search with the scene's model and seeds, or walk to a latent in the one that is there; an operator's result."""
    folder, packed = preferences.model_folder(scene.washi.model), scene.washi.state
    seed, sheet, threads = scene.washi.seed, scene.washi.noise_seed if noise_seed is None else noise_seed, preferences.threads()

    def work(progress: engine.Tell) -> str:
        engine.model(folder, threads)
        progress(0.9)
        if latent is None:
            return engine.begin(folder, seed, sheet, packed)
        # Another sheet of the paper is another search: its pictures would not be the ones that are shown.
        start = packed if packed and engine.noise_seed(packed) == sheet else engine.begin(folder, seed, sheet, packed)
        return engine.walk(start, folder, lambda search: search.step_to(latent))

    return _compute(scene, MESSAGE("Opening the model"), work, message, operator)


def find(scene: bpy.types.Scene, picture: str | bytes | engine.Pixels, operator: bpy.types.Operator | None = None) -> set[str]:
    """Walk to the texture that comes closest to a picture: a file's path, or what it holds, or pixels; an operator's result."""
    folder, packed = preferences.model_folder(scene.washi.model), scene.washi.state
    seed, sheet, threads = scene.washi.seed, scene.washi.noise_seed, preferences.threads()

    def work(progress: engine.Tell) -> str:
        return engine.find(packed or engine.begin(folder, seed, sheet), folder, threads, picture, progress)

    return _compute(scene, MESSAGE("Comparing with the picture"), work, MESSAGE("Find from Picture"), operator)


def _compute(scene: bpy.types.Scene, title: str, work: Callable[[engine.Tell], str], message: str, operator: bpy.types.Operator | None) -> set[str]:
    """Compute a search in a job, and keep it in one undo step unless something else was done meanwhile."""
    if not scene.is_editable:
        return jobs.fail(LINKED, operator)
    here, before = reference(scene), (scene.washi.model, scene.washi.state)

    def done(packed: str) -> None:
        there = found(bpy.data.scenes, here)
        if there is not None and (there.washi.model, there.washi.state) == before:
            stepping()
            write(there, packed)
            push(message)
            look_soon(there)

    # Two windows may show two scenes.
    return jobs.run(Job(title, work, done, f"search {scene.session_uid}"), operator)


def latent(scene: bpy.types.Scene, index: int = -1, favourite: str = "") -> Sequence[float] | None:
    """The latent of a candidate, a favourite, or (-1) of where the search stands; None where there is no such thing."""
    stands, found = place(scene), look(scene)
    if stands is None:
        return None
    if favourite:
        return engine.unpacked(stands.kept[stands.favourites.index(favourite)]) if favourite in stands.favourites else None
    if index < 0:
        return engine.unpacked(stands.here)
    return engine.unpacked(found.latents[index]) if found is not None and index < len(found.latents) else None


def look_soon(scene: bpy.types.Scene, operator: bpy.types.Operator | None = None) -> set[str]:
    """Look where the search stands, unless that is known already; an operator's result."""
    stands = place(scene)
    if stands is None and scene.washi.state:
        return jobs.fail(UNREADABLE, operator)
    if stands is None or engine.kept_look(stands.key) is not None:
        return thumbnails_soon(scene)
    packed, folder, threads, key, here = scene.washi.state, preferences.model_folder(stands.model), preferences.threads(), stands.key, reference(scene)
    jobs.make_way("look")  # of this very place, too
    _given_up.add(key)  # until it is done

    def work(progress: engine.Tell) -> engine.Look:
        return engine.look(packed, folder, threads, progress)

    def done(seen: engine.Look) -> None:
        _given_up.discard(seen.key)
        there = found(bpy.data.scenes, here)
        if there is not None:
            thumbnails_soon(there)

    # Undo, or another scene's window, may show this place again.
    return jobs.run(Job(MESSAGE("Looking around"), work, done, "look", replaced=lambda: _given_up.discard(key), quiet=True), operator)


def look_when_drawn(scene: bpy.types.Scene) -> None:
    """Look where the search stands once panels are drawn: a file was opened, or undo went elsewhere."""
    stands = place(scene)
    if stands is None or jobs.current is not None or stands.key in _given_up or bpy.app.background:
        return
    drawn = all(one in previews.small or one in _undrawn for one in small_pictures(scene))
    if drawn and engine.kept_look(stands.key) is not None:
        return
    global _drawn  # noqa: PLW0603 - a timer takes no arguments
    _drawn = reference(scene)
    if not bpy.app.timers.is_registered(_look_now):
        bpy.app.timers.register(_look_now)


def _look_now() -> None:
    scene = found(bpy.data.scenes, _drawn)
    if scene is not None:
        look_soon(scene)


def small(scene: bpy.types.Scene, latent: bytes) -> previews.Small:
    """What a small picture of a packed latent shows in a scene with a search."""
    stands = place(scene)
    return (stands.model, engine.noise_seed(scene.washi.state), latent) if stands else ("", 0, latent)


def small_pictures(scene: bpy.types.Scene) -> list[previews.Small]:
    """Of what panels show small pictures, each once."""
    stands = place(scene)
    if stands is None:
        return []
    ends = (engine.from_text(one) for one in points(scene))
    latents = (*stands.centers, *stands.kept, *(one for one in ends if len(one) == len(stands.here)))  # those of an earlier model of this name aren't
    of = stands.model, engine.noise_seed(scene.washi.state)
    return [(*of, latent) for latent in dict.fromkeys(latents)]


def points(scene: bpy.types.Scene) -> tuple[str, ...]:
    """The sequence's points in order, from A to B, as texts, empty where none is set; none at all of another model."""
    washi = scene.washi
    if washi.sequence_model not in ("", washi.model):
        return ("", "")
    return (washi.sequence_start, *(point.latent for point in washi.sequence.between), washi.sequence_end)


def thumbnails_soon(scene: bpy.types.Scene) -> set[str]:
    """Draw the small pictures of history and favourites that aren't there yet."""
    stands = place(scene)
    if stands is None:
        return {"FINISHED"}
    # What another window shows of another scene stays: its panels would draw it anew, and take these away for it.
    previews.keep_only({one for other in bpy.data.scenes for one in small_pictures(other)})
    missing = [one for one in small_pictures(scene) if one not in previews.small]
    if not missing or bpy.app.background:
        return {"FINISHED"}
    packed, folder, threads = scene.washi.state, preferences.model_folder(stands.model), preferences.threads()

    def work(progress: engine.Tell) -> dict[bytes, Any]:
        return engine.thumbnails(packed, folder, threads, [latent for *_, latent in missing], progress)

    jobs.make_way("thumbnails")  # these very ones, too
    _undrawn.update(missing)  # until they are done

    def again() -> None:
        _undrawn.difference_update(missing)

    def done(drawn: dict[bytes, Any]) -> None:
        again()
        previews.small.update({one: drawn[one[2]] for one in missing})

    return jobs.run(Job(MESSAGE("Drawing the history"), work, done, "thumbnails", replaced=again, quiet=True))


def forget() -> None:
    """Let go of everything: another file, or the extension is disabled."""
    global _sculpted  # noqa: PLW0603 - as above
    _sculpted = None
    _given_up.clear()
    _undrawn.clear()
    _shown.clear()
    jobs.error = jobs.note = ""
    previews.clear()
