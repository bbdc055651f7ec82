"""What the extension keeps in the scene: the search, packed, and how it looks around.

The packed search is the truth. Settings and lists beside it mirror where the search stands; changing a setting changes the
search, so that undo, save and reload need no more than the scene's own data.
"""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import math
from collections.abc import Callable
from typing import Any

import bpy

from . import session
from .translations import CONTEXT

# Not by `update`: where Python sets a property that has one, Blender draws every editor anew, and the viewport's picture from its first
# sample. Settings mirror each step of the search; that may cost no picture of the scene.


def _setting(name: str, default: "float | bool") -> "dict[str, Any]":
    """A setting of the search: changed, the search looks around the same place with it."""

    def change(self: "WASHI_PG_scene", value: "float | bool") -> None:
        if self.state:
            session.adjust(self.id_data, {name: value})
        else:
            self[name] = value

    # Not to animate: each frame would walk the search.
    return {"default": default, "get": lambda self: type(default)(self.get(name, default)), "set": change, "options": set()}


def _choice(name: str, items: "tuple[tuple[str, str, str], ...]", default: str, chosen: "Callable[[WASHI_PG_scene, str], None]") -> "dict[str, Any]":
    """Of several, kept by number; `chosen` is told which."""
    names = [item[0] for item in items]

    def change(self: "WASHI_PG_scene", number: int) -> None:
        self[name] = number
        chosen(self, names[number])

    return {"items": items, "default": default, "get": lambda self: self.get(name, names.index(default)), "set": change, "options": set()}


def _adjusted(self: "WASHI_PG_scene", method: str) -> None:
    if self.state:
        session.adjust(self.id_data, {"method": method})


def _aimed(self: "WASHI_PG_scene", _direction: str) -> None:
    session.aim(self.id_data)


def _targeted(self: "WASHI_PG_scene", name: str) -> None:
    self["target"] = name
    session.aim(self.id_data)


def _jumped(self: "WASHI_PG_scene", index: int) -> None:
    self["history_index"] = index
    if self.state:
        session.walk(self.id_data, lambda search: search.jump(index))


def _renamed(self: "WASHI_PG_favourite", name: str) -> None:
    if name != self.name:
        session.rename(self.id_data, self.name, name)


class WASHI_PG_node(bpy.types.PropertyGroup):
    """A place of the search, by its index: everything else is in the packed search."""


class WASHI_PG_favourite(bpy.types.PropertyGroup):
    """A favourite, by name: its latent is in the packed search."""

    name: bpy.props.StringProperty(name="Name", description="Name of the favourite", get=lambda self: self.get("name", ""), set=_renamed)


class WASHI_PG_search(bpy.types.PropertyGroup):
    """The search of a model that isn't the chosen one now; its name is the model's."""

    state: bpy.props.StringProperty(options={"HIDDEN"})


def _slider(name: str, description: str) -> "bpy.props._PropertyDeferred":
    """How much of a direction; no update: what the sliders lead to is drawn when panels are."""
    return bpy.props.FloatProperty(name=name, description=description, subtype="FACTOR", min=-1, max=1, options=set(), translation_context=CONTEXT)


class WASHI_PG_directions(bpy.types.PropertyGroup):
    """Sliders of the model's named directions (`core.analysis.PROPERTIES`), relative to where the search stands."""

    brightness: _slider("Brightness", "How light the paper is")
    redness: _slider("Redness", "How red the paper is; less is green")
    yellowness: _slider("Yellowness", "How yellow the paper is; less is blue")
    contrast: _slider("Contrast", "How far light and dark parts differ")
    colour_variety: _slider("Colour Variety", "How much the colour varies within the sheet")
    fibre_density: _slider("Fibre Density", "How much fine structure there is beside the coarse")
    cloudiness: _slider("Cloudiness", "How unevenly the pulp lies")
    dark_marks: _slider("Dark Marks", "How far dark marks stand out")
    relief: _slider("Relief", "How high the fibres stand out of the sheet")
    opacity: _slider("Opacity", "How little light passes")


class WASHI_PG_amount(bpy.types.PropertyGroup):
    """How far along which direction, by its name."""

    amount: bpy.props.FloatProperty(name="Amount", description="How far along the direction; 0 is where the search stands", min=-1, max=1)


class WASHI_PG_point(bpy.types.PropertyGroup):
    """A key point of a sequence."""

    latent: bpy.props.StringProperty(options={"HIDDEN"})


AXES = (("X", "X", "Along the X axis"), ("Y", "Y", "Along the Y axis"), ("Z", "Z", "Along the Z axis"))


class WASHI_PG_sequence(bpy.types.PropertyGroup):
    """A sequence of textures, and how it goes into materials."""

    between: bpy.props.CollectionProperty(type=WASHI_PG_point, name="Key Points", description="Points between the ends, in order")
    count: bpy.props.IntProperty(name="Textures", description="Textures between each two points", min=1, soft_max=24, max=200, default=7)
    spacing: bpy.props.EnumProperty(
        name="Spacing",
        description="How the textures are spread",
        items=(
            ("even", "Even Steps", "Neighbours differ equally: for rows that an eye walks along"),
            ("similarity", "By Similarity", "Similarity to the first end falls evenly, as published"),
        ),
        default="even",
    )
    path: bpy.props.EnumProperty(
        name="Latent Path",
        description="Which way through latent space",
        items=(("slerp", "Along the Shell", "Where the model was trained"), ("lerp", "Straight", "The straight line between the ends")),
        default="slerp",
    )
    follow: bpy.props.EnumProperty(
        name="Follow Picks",
        description="An end that moves to each texture that is picked",
        items=(("NONE", "None", "Ends stay"), ("A", "A", "The first end is what is picked"), ("B", "B", "The last end is what is picked")),
        default="NONE",
    )
    as_you_go: bpy.props.BoolProperty(
        name="Write as You Go",
        description="With each pick, write the sequence from where the search stood to the pick into the materials of the selected objects",
        default=False,
    )
    material: bpy.props.StringProperty(name="Name", description="Name of the sequence's materials", default="Washi Sequence")
    form: bpy.props.EnumProperty(
        name="Form",
        description="How the sequence becomes materials",
        items=(
            ("EACH", "One a Texture", "A material for each texture, in order along the selected objects or in their slots"),
            ("FILM", "Film", "One material that changes with the frames"),
            ("BLEND", "Blend", "One material that changes across a surface, or by what you choose"),
            ("VARY", "Vary by Object", "One material that shows another texture on each object"),
        ),
        default="EACH",
    )
    order: bpy.props.EnumProperty(
        name="Order",
        description="In which order the objects get the textures",
        items=(("GIVEN", "As Selected", "In Blender's own order"), ("NAME", "Name", "By name, 2 before 10"), *AXES),
        default="X",
    )
    reverse: bpy.props.BoolProperty(name="Reverse", description="From the other end")
    in_slots: bpy.props.BoolProperty(name="In Slots", description="Every object gets all materials, in its slots")
    frame_start: bpy.props.IntProperty(name="First Frame", description="Frame that shows the first texture", default=1)
    frame_end: bpy.props.IntProperty(name="Last Frame", description="Frame that shows the last texture", default=120)
    offset: bpy.props.IntProperty(name="Offset", description="Textures to begin later in the sequence")
    repeat: bpy.props.EnumProperty(
        name="Repeat",
        description="What is shown before and after",
        items=(
            ("ONCE", "Once", "The ends stay"),
            ("LOOP", "Loop", "The sequence again; without a jump where its ends are the same texture"),
            ("PING_PONG", "Ping-Pong", "The sequence backward"),
        ),
        default="PING_PONG",
    )
    blend_by: bpy.props.EnumProperty(
        name="Blend By",
        description="What says how far along the sequence a place is",
        items=(
            ("SURFACE", "Surface", "Along an axis of the object"),
            ("ATTRIBUTE", "Attribute", "A colour or number attribute, as painted vertex colours"),
            ("OBJECT", "Object Position", "Where the object stands along a world axis"),
            ("DISTANCE", "Distance", "The distance to an empty; its size is the sequence's length"),
            ("VALUE", "Value", "A value node, to animate or drive"),
        ),
        default="SURFACE",
    )
    axis: bpy.props.EnumProperty(name="Axis", description="Along which axis", items=AXES, default="X")
    attribute: bpy.props.StringProperty(name="Attribute", description="Name of the attribute", default="Color")
    empty: bpy.props.StringProperty(name="Empty", description="Name of the empty")
    first: bpy.props.FloatProperty(name="From", description="Position that shows the first texture", subtype="DISTANCE", default=0)
    last: bpy.props.FloatProperty(name="To", description="Position that shows the last texture", subtype="DISTANCE", default=1)
    vary_by: bpy.props.EnumProperty(
        name="Vary By",
        description="What says which texture an object shows",
        items=(("RANDOM", "Random", "Drawn for each object and instance"), ("INDEX", "Pass Index", "The object's pass index, over and over")),
        default="RANDOM",
    )
    vary_seed: bpy.props.IntProperty(name="Random Seed", description="Another draw", min=0)
    vary_number: bpy.props.BoolProperty(name="Number Objects", description="Give the selected objects pass indices 0, 1, 2 and on")
    vary_shift: bpy.props.BoolProperty(name="Shift Texture", description="Show another part of the texture on each object, too", default=True)


AIMS = (
    ("any", "Any Direction", "Another direction each time"),
    ("last", "Last Step", "On in the direction of the last step"),
    ("favourite", "Favourite", "Toward a favourite"),
)
METHODS = (
    ("preference", "Learn from Picks", "By what was picked so far and what was not"),
    ("coverage", "Cover All", "So that every sample is similar to one that is shown"),
    ("medoids", "Medoids", "The middles of clusters of similar textures (k-medoids)"),
    ("paper", "SSIM Vectors", "k-means of vectors of structural similarities, as published"),
    ("random", "Chance", "At random"),
)


class WASHI_PG_scene(bpy.types.PropertyGroup):
    """The search of a scene."""

    model: bpy.props.StringProperty(name="Model", description="Generative model that is searched", default="washi-sheet")
    state: bpy.props.StringProperty(name="Search", description="The search, packed", options={"HIDDEN"})
    searches: bpy.props.CollectionProperty(type=WASHI_PG_search, name="Other Searches", description="Searches of the models that aren't chosen now")
    history: bpy.props.CollectionProperty(type=WASHI_PG_node, name="History", description="Everywhere the search has been")
    history_index: bpy.props.IntProperty(
        name="Place", description="Place of the search", options=set(), get=lambda self: self.get("history_index", 0), set=_jumped
    )
    favourites: bpy.props.CollectionProperty(type=WASHI_PG_favourite, name="Favourites", description="What was kept")
    favourite_index: bpy.props.IntProperty(name="Favourite", description="Favourite in the list")

    sequence: bpy.props.PointerProperty(type=WASHI_PG_sequence, name="Sequence", description="A sequence of textures, and how it goes into materials")
    sequence_start: bpy.props.StringProperty(name="Sequence Start", description="Where the sequence starts: a latent, packed", options={"HIDDEN"})
    sequence_end: bpy.props.StringProperty(name="Sequence End", description="Where the sequence ends: a latent, packed", options={"HIDDEN"})
    sequence_model: bpy.props.StringProperty(
        name="Sequence Model", description="Model that the sequence's ends and key points are latents of", options={"HIDDEN"}
    )

    directions: bpy.props.PointerProperty(type=WASHI_PG_directions, name="Directions", description="What the texture should have more or less of")

    seed: bpy.props.IntProperty(name="Seed", description="The same seed, model and picks show the same textures. Used when a search begins", min=0)
    noise_seed: bpy.props.IntProperty(
        name="Sheet", description="Which sheet of each paper is shown: the fibres lie elsewhere. Used when a search begins", min=0
    )

    spread: bpy.props.FloatProperty(
        name="How Different",
        description="Mean angle between the light's direction and the textures it falls on: small angles give textures that are alike",
        subtype="ANGLE",
        min=math.radians(5),
        max=math.pi / 2,
        **_setting("spread", math.pi / 2),
    )
    reach: bpy.props.FloatProperty(
        name="How Far",
        description="How far from where you stand the textures lie, as part of the radius of the model's latent space",
        subtype="FACTOR",
        min=0.01,
        soft_min=0.1,
        soft_max=1.5,
        max=10,
        **_setting("reach", 0.7),
    )
    concentration: bpy.props.FloatProperty(
        name="Concentration",
        description="Kappa of the von Mises-Fisher distribution: 0 shines everywhere",
        min=0,
        soft_max=2000,
        max=1e8,
        **_setting("concentration", 0.0),
    )
    radius: bpy.props.FloatProperty(
        name="Radius", description="How far the light reaches in latent space", min=0.01, soft_max=15, max=1e4, **_setting("radius", 7.0)
    )
    aim: bpy.props.EnumProperty(
        name="Direction",
        description="Where the light points",
        **_choice("aim", AIMS, "last", _aimed),
    )
    target: bpy.props.StringProperty(
        name="Favourite",
        description="Favourite that the light points to",
        get=lambda self: self.get("target", ""),
        set=_targeted,
    )
    samples: bpy.props.IntProperty(name="Samples", description="Textures that are sampled a step", min=1, soft_max=200, max=4096, **_setting("samples", 50))
    representatives: bpy.props.IntProperty(
        name="Representatives",
        description="Textures that stand for all samples and are shown",
        min=1,
        soft_max=24,
        max=64,
        **_setting("representatives", 12),
    )
    method: bpy.props.EnumProperty(
        name="Chosen By",
        description="How representatives are chosen",
        **_choice("method", METHODS, "preference", _adjusted),
    )
    elsewhere: bpy.props.FloatProperty(
        name="From Elsewhere",
        description="Share of the samples that come from all of the model, so that no search is stuck. With Learn from Picks",
        subtype="FACTOR",
        min=0,
        max=1,
        **_setting("elsewhere", 0.4),
    )
    nearest: bpy.props.FloatProperty(
        name="Nearest",
        description="Samples lie at all distances from this share of the radius up to it. With Learn from Picks",
        subtype="FACTOR",
        min=0.01,
        max=1,
        **_setting("nearest", 0.35),
    )
    shell: bpy.props.BoolProperty(
        name="Stay on the Shell",
        description="Bring samples to the distance from the origin at which the model was trained; without it the search drifts away",
        **_setting("shell", True),
    )
    step: bpy.props.FloatProperty(
        name="Step Length",
        description="How much of the way to a pick is walked: half of it, all of it, or beyond",
        subtype="FACTOR",
        min=0.05,
        soft_max=2,
        max=4,
        **_setting("step", 1.0),
    )

    size: bpy.props.EnumProperty(
        name="Size",
        description="Edge of the texture in pixels; a model of one size makes its own",
        items=(
            ("512", "512 px", "A close tile, made in a moment"),
            ("1024", "1024 px", "For objects in the background"),
            ("2048", "2048 px", "For most objects"),
            ("4096", "4096 px", "For close-ups"),
        ),
        default="1024",
    )
    target_slot: bpy.props.EnumProperty(
        name="Into",
        description="Which material shows the texture",
        items=(
            ("NEW", "New Material", "Make a material and give it to the selected objects"),
            ("ACTIVE", "Active Material", "Replace what the active object's material shows; every object that has it changes"),
        ),
        default="NEW",
    )
    coordinates: bpy.props.EnumProperty(
        name="Coordinates",
        description="How the paper lies on the object",
        items=(
            ("OBJECT", "Object Size", "True size in millimetres on every side of the object"),
            ("UV", "UV Map", "True size along the UV map, as the object is unwrapped"),
        ),
        default="OBJECT",
    )
    relief: bpy.props.EnumProperty(
        name="Relief",
        description="What makes the fibres stand out",
        items=(
            ("BUMP", "Bump", "The height map"),
            ("NORMAL", "Normal Map", "The normal map; on UV coordinates only, elsewhere the height map"),
            ("NONE", "None", "A smooth sheet"),
        ),
        default="BUMP",
    )
    relief_strength: bpy.props.FloatProperty(name="Relief Strength", description="1 is true", subtype="FACTOR", min=0, soft_max=2, max=10, default=1)
    translucency: bpy.props.FloatProperty(
        name="Translucency", description="How much light passes; 1 is true", subtype="FACTOR", min=0, soft_max=2, max=4, default=1
    )
    store: bpy.props.EnumProperty(
        name="Picture Files",
        description="Where the pictures of a material are kept",
        items=(
            ("PACKED", "In This File", "Pack the pictures into the .blend"),
            ("FILES", "Beside This File", "Save the pictures in the folder textures beside the .blend"),
        ),
        default="PACKED",
    )
    picture: bpy.props.StringProperty(name="Picture", description="Image of this file that a texture is sought for")


CLASSES = (WASHI_PG_directions, WASHI_PG_amount, WASHI_PG_point, WASHI_PG_sequence, WASHI_PG_node, WASHI_PG_favourite, WASHI_PG_search, WASHI_PG_scene)


def register() -> None:
    """Give scenes a search."""
    bpy.types.Scene.washi = bpy.props.PointerProperty(type=WASHI_PG_scene)


def unregister() -> None:
    """Take it away."""
    del bpy.types.Scene.washi
