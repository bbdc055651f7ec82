"""Build the extension's zips with Blender's own tool: one a platform and Blender line, wheels inside, ready to drag into Blender.

    python scripts/build_extension.py                                        # all six, into dist/
    python scripts/build_extension.py --platform linux-x64 --python 3.13     # one

Needs pip and the `bpy` package (`pip install '.[blender]'`), which brings Blender's extension tool. Wheels come unmodified from the
package index, in the versions of tests/constraints-*.txt, and are kept in build/wheels. docs/extension.md says what each is for.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "blender_manifest.toml"
NO_INDEX = 3  # exit status: the package index can't be reached

# What the engine imports and what these import in turn. Blender brings NumPy; a second one breaks other extensions.
# onnxruntime also names flatbuffers, protobuf and packaging: its tools need them, running a network does not.
RUNTIME = ("onnxruntime", "scipy", "scikit-learn", "joblib", "cloudpickle", "narwhals", "threadpoolctl", "pillow", "pypng")

# Blender's platform -> the index's tags, as new as the wheels need: Blender itself wants glibc 2.28.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_14_0_arm64",),
}
NOT_SHIPPED = ("training", "figures.py")
NOT_OF_BUNDLES = (
    "generator.safetensors",  # the same network once more, for PyTorch, which Blender does not have
    "crops.png", "patches.png", "nearest.png", "finds.png",  # the model card's, which is text in Blender
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """Blender versions that run one Python: from `first` on, and before `after`."""

    name: str
    first: str = ""
    after: str = ""


# blender.org's builds. Distributions build Blender with a Python of their own: name it with --python.
LINES = {"3.11": Line("blender4.5", after="5.1.0"), "3.13": Line("blender5.2", first="5.1.0")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", nargs="+", choices=PLATFORMS, default=list(PLATFORMS), help="default: all")
    parser.add_argument("--python", nargs="+", default=list(LINES), metavar="VERSION", help="default: 3.11 (Blender 4.5 to 5.0) and 3.13 (from 5.1)")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the zips; default: dist")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "wheels", help="where wheels are kept; default: build/wheels")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for python in arguments.python:
        for platform in arguments.platform:
            wheels = fetch_wheels(arguments.wheels / f"{platform}-{python}", platform, python)
            print_table(build(arguments.out, platform, python, wheels), wheels)


def fetch_wheels(folder: Path, platform: str, python: str) -> list[Path]:
    """The runtime's wheels in `folder`; those that are not there yet come from the package index."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pinned(python)
    missing = [f"{name}=={version}" for name, version in wanted.items() if not find_wheel(folder, name, version)]
    if missing:
        tags = [part for tag in PLATFORMS[platform] for part in ("--platform", tag)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run([*command, "--python-version", python, *tags, "--dest", folder, *missing], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"build_extension: no wheels for {platform}, Python {python}: {done.stderr.strip()}", file=sys.stderr)
            raise SystemExit(NO_INDEX if "connection broken" in done.stderr else 1)
    return [wheel for name, version in wanted.items() if (wheel := find_wheel(folder, name, version))]


def pinned(python: str) -> dict[str, str]:
    """The runtime's tested versions. A Python that has no constraints file takes those of the newest that has."""
    path = ROOT / "tests" / f"constraints-{python if python in LINES else max(LINES)}.txt"
    versions = dict(line.split("==") for line in path.read_text("utf-8").split())
    return {name: versions[name] for name in RUNTIME}


def find_wheel(folder: Path, name: str, version: str) -> Path | None:
    return next(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"), None)


def build(out: Path, platform: str, python: str, wheels: list[Path]) -> Path:
    """Stage, build and validate one zip."""
    line = LINES.get(python, Line(f"python{python}"))
    manifest = tomllib.loads((ROOT / MANIFEST).read_text("utf-8"))
    archive = out / f"{manifest['id']}-{manifest['version']}-{line.name}-{platform}.zip"
    with tempfile.TemporaryDirectory() as temporary:
        stage = Path(temporary)
        copy_files(stage)
        copied = [shutil.copyfile(wheel, make_folder(stage / "wheels") / wheel.name) for wheel in wheels]
        manifest |= {
            "platforms": [platform],
            "blender_version_min": line.first or manifest["blender_version_min"],
            **({"blender_version_max": line.after} if line.after else {}),
            "wheels": [f"./wheels/{wheel.name}" for wheel in copied],
        }
        (stage / MANIFEST).write_text(as_toml(manifest), "utf-8")
        set_times(stage)
        extension_tool("build", "--source-dir", str(stage), "--output-filepath", str(archive))
    extension_tool("validate", str(archive))
    return archive


def copy_files(stage: Path) -> None:
    """Everything but manifest and wheels, as it lies in the zip. Models as git knows them: one in training does not slip in."""
    for name in [*git_files("LICENSE", "models"), *git_files("--others", "--cached", "--exclude-standard", "washi_latent")]:
        inside = name.relative_to("washi_latent") if name.parts[0] == "washi_latent" else name
        if inside.parts[0] not in NOT_SHIPPED and name.name not in NOT_OF_BUNDLES:
            shutil.copyfile(ROOT / name, make_folder((stage / inside).parent) / inside.name)
    for description in stage.glob("models/*/model.json"):
        value = json.loads(description.read_text("utf-8"))
        value["files"] = {name: facts for name, facts in value["files"].items() if name not in NOT_OF_BUNDLES}
        description.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")


def git_files(*arguments: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def as_toml(manifest: Mapping[str, Any]) -> str:
    """Strings, lists of strings and tables of these: JSON writes their values as TOML does."""
    tables = {key: value for key, value in manifest.items() if isinstance(value, dict)}
    blocks = ["\n".join(assignments((key, value) for key, value in manifest.items() if key not in tables))]
    blocks += ["\n".join([f"[{name}]", *assignments(table.items())]) for name, table in tables.items()]
    return "\n\n".join(blocks) + "\n"


def assignments(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in items]


def set_times(stage: Path) -> None:
    """One time for every file: builds of the same sources differ at most in the files' order, which Blender's tool leaves to the disk."""
    moment = int(os.environ.get("SOURCE_DATE_EPOCH", "1767225600"))
    for path in stage.rglob("*"):
        os.utime(path, (moment, moment))


def extension_tool(command: str, *arguments: str) -> None:
    """Run Blender's `extension` command, with Blender's list of tags."""
    spec = importlib.util.find_spec("bpy")
    found = sorted(Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")) if spec and spec.origin else []
    if not found:
        raise SystemExit("build_extension: Blender's extension tool is needed: pip install '.[blender]' and try again")
    tags = found[0].parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py"
    done = subprocess.run([sys.executable, found[0], command, "--valid-tags", tags, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"build_extension: {command} failed:\n{done.stdout}{done.stderr}")


def print_table(archive: Path, wheels: list[Path]) -> None:
    parts = {wheel.name.split("-")[0]: wheel.stat().st_size for wheel in wheels}
    total = archive.stat().st_size
    print(f"{total / 1e6:7.1f} MB  {archive}")
    for name, size in sorted({**parts, "code and models": total - sum(parts.values())}.items(), key=lambda part: -part[1]):
        print(f"{size / 1e6:9.1f}  {name}")


if __name__ == "__main__":
    main()
