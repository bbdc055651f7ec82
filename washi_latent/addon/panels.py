"""The sidebar tab: explore, settings, history and favourites, in the 3D viewport, the shader editor and the image editor."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import bpy

from . import directions, engine, preferences, previews, session, strip
from .jobs import Job, jobs
from .translations import CONTEXT, MESSAGE, sentence, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORY = "Washi"
SPACES = ("VIEW_3D", "NODE_EDITOR", "IMAGE_EDITOR")
MOST = 48
"""Pictures that a panel shows at most: the gallery scrolls."""
ROW = 1.8
"""Height of a list's rows, for their pictures."""
CELL, NARROW, TALLEST = 6.0, 3.5, 32.0
"""Wanted edge of a picture, in the interface's units; the least that it is made smaller to, where all would take more than this height."""


class _Panel:
    bl_region_type = "UI"
    bl_category = CATEGORY

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In a scene; of node editors only where materials are made."""
        return context.scene is not None and (context.area.type != "NODE_EDITOR" or context.space_data.tree_type == "ShaderNodeTree")


class _OfSearch(_Panel):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a search that can be read."""
        return super().poll(context) and session.place(context.scene) is not None


class Explore(_Panel):
    """What there is to see, and where to go."""

    bl_label = "Washi Latent"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        """Model, what is under way, representatives, how far and how different."""
        layout, washi = self.layout, context.scene.washi
        session.look_when_drawn(context.scene)
        row = layout.row(align=True)
        row.menu("WASHI_MT_models", text=_title(washi.model), icon="TEXTURE", translate=False)
        row.popover(f"WASHI_PT_card_{context.area.type}", text="", icon="INFO")
        _state(layout, context)
        if not washi.state:
            column = layout.column()
            column.scale_y = 2
            column.operator("washi.explore", icon="VIEWZOOM")
            return
        if session.place(context.scene) is None:
            _sentence(layout, session.UNREADABLE, context, "ERROR")
            layout.operator("washi.explore", text="Start Over", icon="LOOP_BACK").restart = True
            return
        if jobs.current is None:
            _ways(layout, context)
        _pictures(layout, context)
        column = layout.column(align=True)
        column.prop(washi, "spread", slider=True)
        column.prop(washi, "reach", slider=True)


def _title(name: str) -> str:
    return next((title for known, title, _ in preferences.models() if known == name), name)


def _state(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The job that runs, or what went wrong."""
    job = jobs.current
    if job is not None:
        _progress(layout, job)
    elif jobs.error:
        box = layout.box()
        _sentence(box, jobs.error, context, "ERROR")
    elif jobs.note:
        _sentence(layout, jobs.note, context, "INFO")
    if job is None and session.given_up(context.scene):
        layout.operator("washi.explore", text="Look Again", icon="FILE_REFRESH")


def _progress(layout: bpy.types.UILayout, job: Job) -> None:
    row = layout.row(align=True)
    row.progress(text=bpy.app.translations.pgettext_iface(job.title), factor=job.share)
    row.operator("washi.cancel", text="", icon="X")


def _sentence(layout: bpy.types.UILayout, text: str, context: bpy.types.Context, icon: str = "NONE") -> None:
    """A sentence over as many lines as the panel's width asks for."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    letters = int(_units(context) * 2.6)
    line, lines = "", []
    shown = translated(text)
    wide = any(ord(letter) > 0x2E80 for letter in shown)
    for word in re.findall(r"[!-~]+|[^!-~][]):。、」]*", shown) if wide else shown.split(" "):
        glue = "" if wide or not line else " "
        if line and len(line) + len(glue) + len(word) > (letters * 0.6 if wide else letters):
            lines.append(line)
            line, glue = "", ""
        line += glue + word
    for number, one in enumerate([*lines, line]):
        column.label(text=one, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"), translate=False)


def _units(context: bpy.types.Context) -> float:
    """Width inside the panel in the interface's units."""
    region = context.region
    across = region.view2d.region_to_view(region.width, 0)[0] - region.view2d.region_to_view(0, 0)[0]
    return max(6.0, across / (20 * context.preferences.system.ui_scale) - 2.4)


def _ways(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Back, forward, others."""
    stands = session.place(context.scene)
    row = layout.row(align=True)
    row.operator("washi.back", text="", icon="TRIA_LEFT")
    row.operator("washi.forward", text="", icon="TRIA_RIGHT")
    if stands is not None:
        row.separator()
        here = row.row()
        here.label(text=step_name(stands, stands.current), translate=False)
    row.operator("washi.keep", text="", icon="SOLO_OFF")
    row.separator()
    row.operator("washi.others", icon="FILE_REFRESH")
    row.operator("washi.gallery", text="", icon="FULLSCREEN_ENTER")


def step_name(stands: engine.Place, index: int) -> str:
    """What a place of the history is called."""
    depth = stands.depths[index]
    return sentence("Step {number}", number=depth) if depth else bpy.app.translations.pgettext_iface("Start")


def _pictures(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Representatives, or the candidates that one of them stands for."""
    found = session.shown(context.scene)
    if found is None:
        return
    present = session.look(context.scene) is found
    opened = session.opened(context.scene) if present else -1
    if opened >= 0:
        row = layout.row(align=True)
        row.operator("washi.members", text="All", icon="BACK").index = -1
        row.label(text=sentence("{count} like this", count=len(found.members(opened))), translate=False)
    shown = found.members(opened)[:MOST] if opened >= 0 else found.shown
    _grid(layout, context, found, shown, present)
    if found.message:
        _sentence(layout, found.message, context, "INFO")


def _grid(layout: bpy.types.UILayout, context: bpy.types.Context, found: engine.Look, shown: Sequence[int], present: bool) -> None:
    units = _units(context)
    columns = columns_of(units, len(shown))
    grid = layout.grid_flow(row_major=True, columns=columns, even_columns=True, even_rows=True)
    grid.enabled = present
    for slot, index in enumerate(shown):
        cell = grid.column(align=True)
        cell.template_icon(previews.icon(f"shown-{slot}", found.pictures[index], (found.key, index)), scale=units / columns - 0.3)
        row = cell.row(align=True)
        row.operator("washi.pick").index = index
        count = len(found.members(index))
        if count > 1 and not (present and session.opened(context.scene) >= 0):
            beside = row if units / columns > CELL - 1 else cell
            beside.operator("washi.members", text=f"+{count - 1}", translate=False).index = index
        row.operator("washi.keep", text="", icon="SOLO_OFF").index = index


def columns_of(units: float, count: int) -> int:
    """Columns of pictures: as wide as is wanted, narrower ones where all would not be seen at once."""
    columns = max(1, min(count, round(units / CELL)))
    while units / (columns + 1) >= NARROW and math.ceil(count / columns) * (units / columns + 1) > TALLEST:
        columns += 1
    return columns


class Advanced(_OfSearch):
    """The exact numbers."""

    bl_label = "Advanced"
    bl_parent = "Explore"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Light, sampling, seeds."""
        washi = context.scene.washi
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(washi, "concentration")
        column.prop(washi, "radius")
        column = layout.column(align=True)
        column.prop(washi, "aim")
        if washi.aim == "favourite":
            column.prop_search(washi, "target", washi, "favourites", icon="SOLO_ON")
        column = layout.column(align=True)
        column.prop(washi, "step")
        column = layout.column(align=True)
        column.prop(washi, "samples")
        column.prop(washi, "representatives")
        column.prop(washi, "method")
        if washi.method == "preference":
            column.prop(washi, "elsewhere")
            column.prop(washi, "nearest")
        layout.prop(washi, "shell")
        column = layout.column(align=True)
        column.prop(washi, "seed")
        column.prop(washi, "noise_seed")
        layout.operator("washi.explore", text="Start Over", icon="LOOP_BACK").restart = True


class Directions(_OfSearch):
    """What the model can give more or less of."""

    bl_label = "Directions"
    bl_parent = "Advanced"

    def draw(self, context: bpy.types.Context) -> None:
        """A slider a direction, what they lead to, and go."""
        layout, washi, found = self.layout, context.scene.washi, directions.found(context.scene)
        if jobs.current is not None and jobs.current.kind == "directions":
            _progress(layout, jobs.current)
        elif found is None:
            layout.operator("washi.find_directions", icon="VIEWZOOM")
        elif not found:
            _sentence(layout, MESSAGE("No property of this model's textures follows a direction"), context, "INFO")
        if not found:
            return
        directions.show_when_drawn(context.scene)
        column = layout.column(align=True)
        for one in found:
            column.prop(washi.directions, directions.slider(one.name), slider=True)
        _before_and_after(layout, context)
        row = layout.row(align=True)
        row.enabled = bool(directions.amounts(context.scene))
        row.operator("washi.go_along", icon="FORWARD")
        row.operator("washi.reset_directions", icon="LOOP_BACK")


def _before_and_after(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The texture where the search stands, and the one that the sliders lead to."""
    pictures = directions.preview.pictures(context.scene)
    row, scale = layout.row(), min(10.0, _units(context) / 2 - 0.3)
    for slot, title in enumerate((MESSAGE("Before"), MESSAGE("After"))):
        column = row.column(align=True)
        line = column.row()
        line.alignment = "CENTER"
        line.label(text=title, text_ctxt=CONTEXT)
        owner, pixels = pictures[slot] if pictures else (b"", None)
        column.template_icon(0 if pixels is None else previews.icon(f"along-{slot}", pixels, owner), scale=scale)


class History(_OfSearch):
    """Everywhere the search has been."""

    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """The list."""
        washi = context.scene.washi
        column = self.layout.column()
        column.scale_y = ROW
        column.template_list("WASHI_UL_history", "", washi, "history", washi, "history_index", rows=4)


class Favourites(_OfSearch):
    """What was kept."""

    bl_label = "Favourites"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 2

    def draw(self, context: bpy.types.Context) -> None:
        """The list, and what can be done with the one that is chosen."""
        washi = context.scene.washi
        row = self.layout.row()
        rows = row.column()
        rows.scale_y = ROW
        rows.template_list("WASHI_UL_favourites", "", washi, "favourites", washi, "favourite_index", rows=4)
        column = row.column(align=True)
        column.operator("washi.keep", text="", icon="ADD")
        chosen = washi.favourites[washi.favourite_index] if 0 <= washi.favourite_index < len(washi.favourites) else None
        if chosen is None:
            return
        column.operator("washi.forget", text="", icon="REMOVE").name = chosen.name
        column.separator()
        column.operator("washi.visit", text="", icon="FORWARD").name = chosen.name
        column.operator("washi.aim", text="", icon="LIGHT_SPOT").name = chosen.name


class Apply(_OfSearch):
    """From the search to a material."""

    bl_label = "Apply"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        """What is applied, where, how; then the material's own."""
        layout, washi, stands = self.layout, context.scene.washi, session.place(context.scene)
        row = layout.row()
        if stands is not None:
            row.template_icon(previews.small_icon(session.small(context.scene, stands.here)), scale=3)
        column = row.column(align=True)
        column.scale_y = 1.5
        column.operator("washi.apply", icon="MATERIAL").index = -1
        column.prop(washi, "size", text="")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(washi, "target_slot")
        column.prop(washi, "coordinates")
        column.prop(washi, "relief")
        if washi.relief != "NONE":
            column.prop(washi, "relief_strength", text="Strength")
        column.prop(washi, "translucency")
        column.prop(washi, "store")
        column = layout.column(align=True)
        column.operator("washi.continue_from_material", icon="EYEDROPPER")
        column.operator("washi.mark_asset", icon="ASSET_MANAGER")


class Sequence(_OfSearch):
    """The textures between two ends."""

    bl_label = "Sequence"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        """Ends and key points, how they are joined, and what comes of it."""
        layout, washi = self.layout, context.scene.washi
        strip.show_when_drawn(context.scene)
        column = layout.column(align=True)
        start, *between, end = session.points(context.scene)
        _point(column, context, "A", start)
        for index, latent in enumerate(between):
            _point(column, context, "BETWEEN", latent, index)
        _point(column, context, "B", end)
        row = layout.row(align=True)
        row.menu("WASHI_MT_point_BETWEEN", text="Add Key Point", icon="ADD")
        row.operator("washi.sequence_swap", text="", icon="ARROW_LEFTRIGHT")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        for name in ("count", "spacing", "path", "follow"):
            column.prop(washi.sequence, name)
        if jobs.current is not None and jobs.current.kind in {"strip", strip.writing(context.scene)}:
            _progress(layout, jobs.current)
        _strip(layout, context)


def _point(layout: bpy.types.UILayout, context: bpy.types.Context, end: str, latent: str, index: int = -1) -> None:
    """A point's picture, and where else it can come from."""
    row = layout.row()
    picture = row.row()
    picture.template_icon(previews.small_icon(session.small(context.scene, engine.from_text(latent))) if latent else 0, scale=2)
    buttons = row.row(align=True)
    buttons.scale_y = 1.6
    if index >= 0:
        buttons.label(text=str(index + 1), translate=False)
        buttons.operator("washi.sequence_remove", text="", icon="X").index = index
        return
    here = buttons.operator("washi.sequence_from", text="Set A Here" if end == "A" else "Set B Here", icon="PINNED")
    here.end, here.source = end, "HERE"
    buttons.menu(f"WASHI_MT_point_{end}", text="", icon="DOWNARROW_HLT")


def _strip(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The textures, those that miss their place marked; the plot; both measures."""
    found = strip.strip(context.scene)
    if found is None:
        return
    units = _units(context)
    columns = max(2, min(len(found.latents), round(units / 2.6)))
    grid = layout.grid_flow(row_major=True, columns=columns, even_columns=True, even_rows=True, align=True)
    for slot, picture in enumerate(found.pictures):
        cell = grid.column(align=True)
        cell.alert = found.status[slot] != "ok"
        cell.template_icon(previews.icon(f"strip-{slot}", picture, found), scale=units / columns - 0.1)
        if cell.alert:
            mark = cell.row()
            mark.alignment = "CENTER"
            mark.label(text="", icon="ERROR")
    layout.template_icon(strip.plot_icon(found), scale=min(units, 20))
    column = layout.column(align=True)
    column.scale_y = 0.8
    column.label(text="Circles: similarity to A", icon="RADIOBUT_ON")
    column.label(text="Triangles: place on the way", icon="TRIA_UP")
    _sentence(layout, sentence("Largest step / smallest: {ratio:.2f} to A", ratio=found.reference_ratio), context)
    _sentence(layout, sentence("Largest step / smallest: {ratio:.2f} between neighbours", ratio=found.neighbour_ratio), context)
    if found.message:
        _sentence(layout, found.message, context, "INFO")


class Write(_OfSearch):
    """The sequence as materials."""

    bl_label = "Into Materials"
    bl_parent = "Sequence"

    def draw(self, context: bpy.types.Context) -> None:
        """The form, its settings, and go."""
        layout, washi, chosen = self.layout, context.scene.washi, context.scene.washi.sequence
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(chosen, "form")
        column = layout.column()
        for name in FORMS[chosen.form]:
            column.prop(chosen, name)
        if chosen.form == "BLEND":
            _blend(column, chosen)
        column.prop(washi, "size")
        column.prop(chosen, "material")
        layout.prop(chosen, "as_you_go")
        row = layout.row()
        row.scale_y = 1.5
        row.operator("washi.sequence_write", icon="MATERIAL")


FORMS = {
    "EACH": ("order", "reverse", "in_slots"),
    "FILM": ("frame_start", "frame_end", "offset", "repeat"),
    "BLEND": ("blend_by",),
    "VARY": ("vary_by", "vary_seed", "vary_number", "vary_shift"),
}
"""Settings of each form."""


def _blend(column: bpy.types.UILayout, chosen: Any) -> None:
    """What the way of blending needs besides."""
    if chosen.blend_by in {"SURFACE", "OBJECT"}:
        column.prop(chosen, "axis")
    if chosen.blend_by == "OBJECT":
        column.prop(chosen, "first")
        column.prop(chosen, "last")
    if chosen.blend_by == "ATTRIBUTE":
        column.prop(chosen, "attribute")
    if chosen.blend_by == "DISTANCE":
        column.prop_search(chosen, "empty", bpy.data, "objects")


class _PointMenu:
    """Favourites and the active material, for an end of the sequence."""

    bl_label = "From"

    def draw(self, context: bpy.types.Context) -> None:
        """Where the search stands, the active material, then a line a favourite."""
        here = self.layout.operator("washi.sequence_from", text="Here", icon="PINNED")
        here.end, here.source = self.end, "HERE"
        made = self.layout.operator("washi.sequence_from", text="Active Material", icon="MATERIAL")
        made.end, made.source = self.end, "MATERIAL"
        self.layout.separator()
        for row in context.scene.washi.favourites:
            found = self.layout.operator("washi.sequence_from", text=row.name, translate=False, icon="SOLO_ON")
            found.end, found.source, found.favourite = self.end, "FAVOURITE", row.name


class WASHI_MT_point_A(_PointMenu, bpy.types.Menu):
    """Where A can come from."""

    bl_description = "Take the first end from a favourite or the active material"

    end = "A"


class WASHI_MT_point_BETWEEN(_PointMenu, bpy.types.Menu):
    """Where a key point can come from."""

    bl_description = "Add a key point: this texture, a favourite, or the active material"

    end = "BETWEEN"


class WASHI_MT_point_B(_PointMenu, bpy.types.Menu):
    """Where B can come from."""

    bl_description = "Take the last end from a favourite or the active material"

    end = "B"


class Find(_Panel):
    """From a picture to the search."""

    bl_label = "Find from Picture"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 5

    def draw(self, context: bpy.types.Context) -> None:
        """An image of this file, or a file."""
        washi = context.scene.washi
        row = self.layout.row(align=True)
        row.prop_search(washi, "picture", bpy.data, "images", text="", icon="IMAGE_DATA")
        find = row.row(align=True)
        find.enabled = bool(washi.picture)
        find.operator("washi.find_picture", text="Find").image = washi.picture
        self.layout.operator("washi.find_picture", text="Open a Picture…", icon="FILE_FOLDER").image = ""


def _thumbnail(row: bpy.types.UILayout, context: bpy.types.Context, latent: bytes) -> None:
    """A small picture in a list whose rows are scaled."""
    picture = row.row()
    picture.scale_x = ROW
    picture.template_icon(previews.small_icon(session.small(context.scene, latent)), scale=1)


class WASHI_UL_history(bpy.types.UIList):
    """The history: branches below the place that they left."""

    def draw_item(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, _icon: int, _active: Any, _property: str, index: int = 0
    ) -> None:
        """A thumbnail and which step it is."""
        stands = session.place(context.scene)
        if stands is None or index >= len(stands.centers):
            return
        row = layout.row()
        if stands.branches[index]:
            row.separator(factor=2.0 * min(stands.branches[index], 8))
        _thumbnail(row, context, stands.centers[index])
        row.label(text=step_name(stands, index), translate=False)

    def filter_items(self, context: bpy.types.Context, data: Any, property: str) -> tuple[list[int], list[int]]:
        """All, in the order of the tree."""
        stands = session.place(context.scene)
        if stands is None:
            return [], []
        order = [0] * len(stands.order)
        for position, index in enumerate(stands.order):
            order[index] = position
        return [], order


class WASHI_UL_favourites(bpy.types.UIList):
    """Favourites, which are renamed by a double click."""

    def draw_item(
        self, context: bpy.types.Context, layout: bpy.types.UILayout, data: Any, item: Any, _icon: int, _active: Any, _property: str, index: int = 0
    ) -> None:
        """A thumbnail and the name."""
        stands = session.place(context.scene)
        row = layout.row()
        if stands is not None and index < len(stands.kept):
            _thumbnail(row, context, stands.kept[index])
        row.prop(item, "name", text="", emboss=False)


class WASHI_MT_models(bpy.types.Menu):
    """Models that are here."""

    bl_label = "Model"
    bl_description = "Choose the model that is searched, or add one"

    def draw(self, context: bpy.types.Context) -> None:
        """One line a model."""
        for name, title, _ in preferences.models():
            mark = "CHECKMARK" if name == context.scene.washi.model else "BLANK1"
            self.layout.operator("washi.choose_model", text=title, translate=False, icon=mark).name = name
        self.layout.separator()
        self.layout.operator("washi.add_model", text="Add Model…", icon="ADD")


class Card:
    """What a model says of itself."""

    bl_label = "Model"
    bl_description = "What this model is: licence, sizes, scale, and its card"
    bl_options = {"INSTANCED"}
    bl_region_type = "WINDOW"
    bl_ui_units_x = 16

    def draw(self, context: bpy.types.Context) -> None:
        """Title, licence, sizes, the picture, and where to read more."""
        name = context.scene.washi.model
        folder = preferences.model_folder(name)
        column = self.layout.column()
        column.label(text=_title(name), icon="TEXTURE", translate=False)
        facts = column.column(align=True)
        for title, value in engine.card(folder).items():
            split = facts.split(factor=0.4)
            split.label(text=title)
            split.label(text=value, translate=False)
        row = column.row()
        row.enabled = bool(folder)
        row.operator("washi.read_card", text="Read the Model Card", icon="TEXT")


def _in_every_space(panel: type) -> list[type]:
    """A panel's classes, one an editor."""
    result = []
    for space in SPACES:
        name = f"WASHI_PT_{panel.__name__.lower()}_{space}"
        facts: dict[str, Any] = {"bl_idname": name, "bl_space_type": space, "bl_label": panel.bl_label, "__doc__": panel.__doc__}
        if hasattr(panel, "bl_parent"):
            facts["bl_parent_id"] = f"WASHI_PT_{panel.bl_parent.lower()}_{space}"
        result.append(type(name, (panel, bpy.types.Panel), facts))
    return result


PANELS = (Explore, Advanced, Directions, History, Favourites, Apply, Sequence, Write, Find, Card)
CLASSES = (
    WASHI_UL_history,
    WASHI_UL_favourites,
    WASHI_MT_models,
    WASHI_MT_point_A,
    WASHI_MT_point_BETWEEN,
    WASHI_MT_point_B,
    *(one for panel in PANELS for one in _in_every_space(panel)),
)
