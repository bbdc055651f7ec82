"""Walking through latent space: explore, pick, others, back, forward, jump, and favourites."""

# No `from __future__ import annotations` here: Blender reads the annotations below as values.

import bpy

from .. import session, strip
from ..jobs import jobs, redraw
from ..translations import MESSAGE, able

UNDOABLE = {"REGISTER", "UNDO", "INTERNAL"}


def searched(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether there is a search; a button that can't be pressed says why."""
    return able(operator, context.scene is not None and bool(context.scene.washi.state), session.NONE_YET)


class Gesture:
    """A change of the search, in one undo step; the look at the new place comes by itself."""

    bl_options = UNDOABLE

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a search."""
        return searched(cls, context)

    def step(self, problem: str | None) -> set[str]:
        """The operator's result."""
        return jobs.fail(problem, self) if problem else {"FINISHED"}


class WASHI_OT_explore(bpy.types.Operator):
    """Sample textures around where you stand and show the ones that represent them"""

    bl_idname = "washi.explore"
    bl_label = "Explore"
    bl_options = {"REGISTER"}

    restart: bpy.props.BoolProperty(name="Start Over", description="Begin a new search even where there is one", default=False, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In any scene."""
        return context.scene is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin, or look again."""
        if self.restart or not context.scene.washi.state:
            return session.begin(context.scene, self)
        return session.look_soon(context.scene, self)


class WASHI_OT_pick(Gesture, bpy.types.Operator):
    """Walk to this texture and look around it"""

    bl_idname = "washi.pick"
    bl_label = "Pick"
    bl_options = {"REGISTER", "INTERNAL"}  # its undo step may have to wait for the sequence that is written with it

    index: bpy.props.IntProperty(name="Candidate", description="Index of the candidate among all samples", min=0, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Walk; the sequence follows where that is wanted."""
        problem = session.pick(context.scene, self.index)
        if problem:
            return jobs.fail(problem, self)
        strip.follow(context.scene)
        if context.scene.washi.sequence.as_you_go:
            strip.write_with_pick(context)
        else:
            session.push(self.bl_label)
        return {"FINISHED"}


class WASHI_OT_others(Gesture, bpy.types.Operator):
    """Sample other textures around the same place"""

    bl_idname = "washi.others"
    bl_label = "Others"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Draw anew."""
        return self.step(session.others(context.scene))


class WASHI_OT_back(Gesture, bpy.types.Operator):
    """Go back to where the last step came from"""

    bl_idname = "washi.back"
    bl_label = "Step Back"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a way back."""
        if not searched(cls, context):
            return False
        stands = session.place(context.scene)
        there = stands is not None and stands.parents[stands.current] >= 0
        return able(cls, there, MESSAGE("this is where the search began: there is nothing to go back to"))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Walk back."""
        return self.step(session.walk(context.scene, lambda search: search.back()))


class WASHI_OT_forward(Gesture, bpy.types.Operator):
    """Go forward to where you came back from"""

    bl_idname = "washi.forward"
    bl_label = "Step Forward"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where there is a way forward."""
        if not searched(cls, context):
            return False
        stands = session.place(context.scene)
        there = stands is not None and stands.trail[stands.current] >= 0
        return able(cls, there, MESSAGE("there is nothing ahead: pick a texture to go on"))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Walk forward."""
        return self.step(session.walk(context.scene, lambda search: search.forward()))


class WASHI_OT_jump(Gesture, bpy.types.Operator):
    """Go to this place of the search"""

    bl_idname = "washi.jump"
    bl_label = "Go There"

    index: bpy.props.IntProperty(name="Place", description="Index of the place in the history", min=0, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Walk there."""
        return self.step(session.walk(context.scene, lambda search: search.jump(self.index)))


class WASHI_OT_keep(Gesture, bpy.types.Operator):
    """Keep this texture as a favourite"""

    bl_idname = "washi.keep"
    bl_label = "Keep"

    name: bpy.props.StringProperty(name="Name", description="Name of the favourite; one of that name is replaced", options={"SKIP_SAVE"})
    index: bpy.props.IntProperty(
        name="Candidate", description="Index of the candidate to keep; -1 keeps the texture where the search stands", default=-1, min=-1, options={"SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Keep."""
        name = self.name or session.free_name(context.scene)
        problem = session.walk(context.scene, lambda search: session.engine.keep(search, name, self.index))
        if problem is None:
            context.scene.washi.favourite_index = context.scene.washi.favourites.find(name)
        return self.step(problem)


class WASHI_OT_forget(Gesture, bpy.types.Operator):
    """Let this favourite go"""

    bl_idname = "washi.forget"
    bl_label = "Forget"

    name: bpy.props.StringProperty(name="Name", description="Name of the favourite", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Let go."""
        return self.step(session.walk(context.scene, lambda search: session.engine.forget(search, self.name)))


class WASHI_OT_visit(Gesture, bpy.types.Operator):
    """Walk to this favourite and look around it"""

    bl_idname = "washi.visit"
    bl_label = "Go to Favourite"

    name: bpy.props.StringProperty(name="Name", description="Name of the favourite", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Walk there."""
        return self.step(session.walk(context.scene, lambda search: search.step_to(search.favourite(self.name))))


class WASHI_OT_aim(Gesture, bpy.types.Operator):
    """Point the light from here toward this favourite"""

    bl_idname = "washi.aim"
    bl_label = "Aim at Favourite"

    name: bpy.props.StringProperty(name="Name", description="Name of the favourite", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Turn the light."""
        return self.step(session.adjust(context.scene, {"direction": f"favourite:{self.name}"}))


class WASHI_OT_members(bpy.types.Operator):
    """Show all textures that this one stands for"""

    bl_idname = "washi.members"
    bl_label = "More Like This"
    bl_options = {"INTERNAL"}

    index: bpy.props.IntProperty(name="Candidate", description="Index of the representative; -1 shows all representatives again", min=-1, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show them."""
        session.open_members(context.scene, self.index)
        redraw()
        return {"FINISHED"}


CLASSES = (
    WASHI_OT_explore,
    WASHI_OT_pick,
    WASHI_OT_others,
    WASHI_OT_back,
    WASHI_OT_forward,
    WASHI_OT_jump,
    WASHI_OT_keep,
    WASHI_OT_forget,
    WASHI_OT_visit,
    WASHI_OT_aim,
    WASHI_OT_members,
)
