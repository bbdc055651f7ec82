"""Inside Blender: install the zip, use it, disable it, uninstall it, and write down what was seen at each step.

life.py ANSWER.json EXTENSION.zip
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import sys
import time
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import bpy

# isort: split
import addon_utils  # Blender's own modules are found once bpy is there

PACKAGE = "bl_ext.user_default.washi_latent"
HEAVY = ("onnxruntime", "scipy", "sklearn", "joblib", "PIL", "png", "torch")


def traces() -> dict[str, Any]:
    """Everything that an add-on can hang onto Blender, as far as Blender tells."""
    keyconfigs = [bpy.context.window_manager.keyconfigs.get(name) for name in ("Blender", "Blender addon", "Blender user")]
    owners = (bpy.types.Scene, bpy.types.WindowManager, bpy.types.Material, bpy.types.Image, bpy.types.Object, bpy.types.World, bpy.types.Preferences)
    drawn = [getattr(getattr(getattr(bpy.types, name), "draw", None), "_draw_funcs", ()) for name in dir(bpy.types)]
    handlers = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)]
    return {
        "types": sorted(name for name in dir(bpy.types) if "washi" in name.lower()),
        "properties": sorted(f"{owner.__name__}.{p.identifier}" for owner in owners for p in owner.bl_rna.properties if "washi" in p.identifier),
        "handlers": sorted(f.__module__ for group in handlers if isinstance(group, list) for f in group if f.__module__.startswith(PACKAGE)),
        "timers": sorted(f.__qualname__ for f in functions() if bpy.app.timers.is_registered(f)),
        "keys": sorted(item.idname for config in keyconfigs if config for keymap in config.keymaps for item in keymap.keymap_items if "washi" in item.idname),
        "menus": sorted(f.__module__ for group in drawn for f in group if f.__module__.startswith(PACKAGE)),
        "images": sorted(image.name for image in bpy.data.images),
        "modules": sorted(name for name in sys.modules if name.startswith(PACKAGE)),
    }


def functions() -> list[FunctionType | MethodType]:
    return [f for f in gc.get_objects() if isinstance(f, FunctionType | MethodType) and (f.__module__ or "").startswith(PACKAGE)]


def heavy() -> list[str]:
    return [name for name in HEAVY if name in sys.modules]


def use_engine() -> dict[str, Any]:
    """The engine with every wheel: a search step, the paper's clustering, a sequence, maps."""
    import numpy as np

    core = importlib.import_module(f"{PACKAGE}.core")
    models = [info.name for info in core.list_models()]
    model = core.load_model(models[0], threads=1)
    search = core.Search(model, seed=1, settings=core.SearchSettings(samples=6, representatives=3, method="paper"))
    candidates = search.sample()
    search.pick(int(candidates.representatives.indices[0]))
    folder = Path(bpy.app.tempdir or ".") / "maps"
    texture = model.generate(search.state.node.center, size=64)[0]
    core.write_maps(core.material_maps(texture, model.info.channels), folder, "paper", form="png16")
    return {
        "models": models,
        "verified": [core.verify(info.folder).name for info in core.list_models()],
        "images": list(candidates.images.shape),
        "labels": np.unique(candidates.representatives.labels).tolist(),
        "maps": sorted(path.name for path in folder.iterdir()),
        "from": {name: getattr(sys.modules.get(name), "__file__", None) for name in HEAVY},
    }


def use_operators() -> dict[str, Any]:
    """The extension's own operators, as a script in background mode calls them."""
    washi = bpy.context.scene.washi
    answers = {"explore": list(bpy.ops.washi.explore())}
    answers["pick"] = list(bpy.ops.washi.pick(index=3))
    answers["back"] = list(bpy.ops.washi.back())
    answers["forward"] = list(bpy.ops.washi.forward())
    return {**answers, "places": len(washi.history), "at": washi.history_index, "images": traces()["images"]}


def missing_commands() -> dict[str, tuple[int, str]]:
    """Commands whose parts the zip lacks: exit status and what they said."""
    cli = importlib.import_module(f"{PACKAGE}.cli")
    lines = {"train": ["--synthetic", "--out", "out"], "figures": ["--out", "out"], "synthesize": ["--out", "out.png"]}
    answers = {}
    for command, arguments in lines.items():
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            answers[command] = cli.main([command, *arguments]), said.getvalue()
    return answers


def install(archive: Path) -> list[str]:
    return list(bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True))


def enabled() -> dict[str, Any]:
    return {"is": PACKAGE in bpy.context.preferences.addons, "heavy": heavy(), **traces()}


def seconds_to_enable() -> float:
    """Import and register anew; the wheels are in place already."""
    addon_utils.disable(PACKAGE)
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]
    started = time.perf_counter()
    addon_utils.enable(PACKAGE)
    return time.perf_counter() - started


def main(answer: Path, archive: Path) -> None:
    addon_utils.enable("bl_pkg")
    seen: dict[str, Any] = {"before": traces()}
    seen["install"], seen["enabled"] = install(archive), enabled()
    seen["seconds to enable"] = seconds_to_enable()
    addon_utils.disable(PACKAGE)
    seen["disabled at once"] = traces()
    addon_utils.enable(PACKAGE)
    seen["operators"], seen["engine"], seen["commands"] = use_operators(), use_engine(), missing_commands()
    seen["install over"], seen["enabled over"] = install(archive), enabled()
    addon_utils.disable(PACKAGE, default_set=True)
    seen["disabled after use"] = traces()
    repository = next(i for i, repo in enumerate(bpy.context.preferences.extensions.repos) if repo.module == "user_default")
    seen["uninstall"] = list(bpy.ops.extensions.package_uninstall(repo_index=repository, pkg_id="washi_latent"))
    seen["uninstalled"] = traces()
    extensions = Path(bpy.utils.user_resource("EXTENSIONS"))
    seen["files left"] = sorted(path.relative_to(extensions).as_posix() for path in extensions.rglob("*") if path.is_file())
    answer.write_text(json.dumps(seen, indent=1), "utf-8")


main(Path(sys.argv[1]), Path(sys.argv[2]))
