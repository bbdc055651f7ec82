"""One set of commands: the console script `washi-latent`, `python -m washi_latent`, and `blender --command washi_latent`.

A user's mistake ends with one sentence and exit code 2; Ctrl-C with 130. What a script would read goes to standard output
(`--json`), what a person watches to standard error.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .core.errors import WashiError

if TYPE_CHECKING:
    import numpy as np

    from .core.models import ModelInfo, TextureModel
    from .core.search import Candidates, Search
    from .core.sessions import Session


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None: those of the process.

    Returns:
        0 done, 1 a check that found something, 2 a mistake or a failure that is said in one sentence, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a pipe of Windows takes few letters, and names may hold any
    try:
        chosen = _parser().parse_args(arguments)
        code = int(chosen.run(chosen) or 0)
        sys.stdout.flush()
    except SystemExit as stop:  # --help, --version, or a mistake that the parser has told
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print("washi-latent: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads has enough
        _drop_output()
        return 0
    except (WashiError, MemoryError, OSError) as error:
        print(f"washi-latent: {_sentence(error)}", file=sys.stderr)
        return 2
    return code


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory: ask for fewer or smaller textures"
    if isinstance(error, OSError):
        if error.filename is None:  # printing, as a rule
            _drop_output()
        return f"{error.filename or 'what it says'} can't be read or written, {error.strerror or error}: choose another place, or make room"
    return str(error)


def _drop_output() -> None:
    """Python writes what is left when it ends, and would fail once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def script() -> None:
    """Entry point of the console script."""
    sys.exit(main())


# What is there to say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="washi-latent", description="Find a texture by looking, not by describing.")
    parser.add_argument("--version", action="version", version=f"washi-latent {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _models(_command(commands, "models", _run_models, "list the models that are here", "washi-latent models --json"))
    _explore(
        _command(commands, "explore", _run_explore, "search without a person: sample, pick, step", "washi-latent explore --steps 3 --pick 2,0,5 --out search")
    )
    _sequence(
        _command(
            commands,
            "sequence",
            _run_sequence,
            "interpolate textures between two finds",
            "washi-latent sequence --from search/session.json --ends start end --count 12 --out panels",
        )
    )
    _export(_command(commands, "export", _run_export, "make textures by the thousand from a recipe", "washi-latent export recipe.toml --out textures --jobs 2"))
    _synthesize(
        _command(
            commands, "synthesize", _run_synthesize, "simulate a sheet of washi", "washi-latent synthesize --kind unryu --size 1024 --seed 3 --out sheet.png"
        )
    )
    _train(
        _command(
            commands,
            "train",
            _run_train,
            "train a model on photographs or on the simulation",
            "washi-latent train --images my-photographs --out models/my-paper",
        )
    )
    _analyse(_command(commands, "analyse", _run_analyse, "report what a model can do, with pictures", "washi-latent analyse washi-sheet --out analysis"))
    _atlas(_command(commands, "atlas", _run_atlas, "measure a model's textures, so that it is searched better", "washi-latent atlas models/my-paper"))
    _figures(_command(commands, "figures", _run_figures, "draw the paper's five figures from a model", "washi-latent figures --out figures"))
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], text: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"example: {example}")
    parser.set_defaults(run=run)
    return parser


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verify", action="store_true", help="check every file of every model against its checksum")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _explore(parser: argparse.ArgumentParser) -> None:
    _model_options(parser)
    parser.add_argument("--steps", type=int, default=3, help="steps to walk (default 3)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--pick", type=_numbers, metavar="N,N,...", help="which representative to pick at each step, from 0; the last is repeated")
    how.add_argument("--toward", metavar="PICTURE", help="pick what looks most like this picture")
    parser.add_argument("--from", dest="session", metavar="SESSION", help="go on from a session.json")
    parser.add_argument("--seed", type=int, help="the same seed gives the same search (default 0); a session keeps its own")
    parser.add_argument("--samples", type=int, help="textures a step (default 50)")
    parser.add_argument("--representatives", type=int, help="how many of them are shown (default 12)")
    parser.add_argument("--method", help="how they are chosen: preference (learns from the picks), coverage, medoids, paper, random (default preference)")
    parser.add_argument("--radius", type=float, help="how far the light reaches (r)")
    parser.add_argument("--angle", type=float, metavar="DEGREES", help="mean angle to the last step's direction, in place of --concentration")
    parser.add_argument("--concentration", type=float, help="how narrow the light is (kappa)")
    parser.add_argument("--no-shell", action="store_true", help="leave candidates where they fall, as the paper does")
    parser.add_argument("--keep", metavar="NAME", help="keep the find as a favourite of the session, for sequences and recipes")
    parser.add_argument("--out", default="search", metavar="FOLDER", help="for contact sheets and session.json (default search)")
    parser.add_argument("--json", action="store_true", help="print the session's path and picks as JSON")


def _sequence(parser: argparse.ArgumentParser) -> None:
    _model_options(parser)
    parser.add_argument(
        "--from",
        dest="sessions",
        action="append",
        metavar="SESSION",
        required=True,
        help="a session.json; twice: the first end from one, the second from the other",
    )
    parser.add_argument(
        "--ends",
        nargs="+",
        metavar="END",
        default=["start", "end"],
        help="two or more of: start, end, a step's number, or a favourite's name (default start end)",
    )
    parser.add_argument("--count", type=int, default=12, help="textures in all, ends included, between each two ends (default 12)")
    parser.add_argument("--spacing", default="even", help="even (neighbours equally different) or similarity (the paper's) (default even)")
    parser.add_argument("--path", default="slerp", help="slerp (along the shell) or lerp (straight) (default slerp)")
    parser.add_argument("--out", default="sequence", metavar="FOLDER", help="for PNG, sequence.json and the plot (default sequence)")
    parser.add_argument("--no-plot", action="store_true", help="leave out the plot, which needs matplotlib")
    parser.add_argument("--json", action="store_true", help="print what the sequence is like as JSON")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a TOML file; docs/export.md says what it holds")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for the textures; what is there already is not made again")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, default=1, metavar="N", help="processes, which share this machine's cores (default 1)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster, such as tcp://farm:8786, instead")
    parser.add_argument("--shard", type=_shard, metavar="I/N", help="make the share I of N only, for a farm's task array")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--verify", action="store_true", help="check the folder instead of writing to it; exit code 1 where something is wrong")
    instead.add_argument("--dry-run", action="store_true", help="say what would be made, its disk and its time, instead of writing")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")


def _model_options(parser: argparse.ArgumentParser) -> None:
    from .core.models import DEFAULT_MODEL

    parser.add_argument("--model", default=None, help=f"a model's name or folder (default {DEFAULT_MODEL})")
    parser.add_argument("--backend", default="auto", help="auto, onnx or torch (default auto)")
    parser.add_argument("--size", type=int, help="edge of the textures in pixels, where the model makes any")
    parser.add_argument("--threads", type=int, help="processor threads to use (default all)")


def _synthesize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", default="kozo", help="a kind, several joined by +, or all for a labelled contact sheet (default kozo)")
    parser.add_argument("--size", type=int, default=1024, help="edge in pixels (default 1024)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same sheet (default 0)")
    parser.add_argument("--scale", type=float, default=0.1, metavar="MM", help="millimetres a pixel (default 0.1)")
    parser.add_argument("--maps", action="store_true", help="also write colour, height (16 bit) and opacity beside it")
    parser.add_argument("--out", default="sheet.png", metavar="FILE", help="PNG of the sheet as a scanner sees it (default sheet.png)")


def _train(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", metavar="FOLDER", help="photographs to learn from")
    source.add_argument("--synthetic", action="store_true", help="learn from the simulation of washi; a sheet model on a graphics card where PyTorch finds one")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the model's folder; its last part becomes the model's name")
    parser.add_argument("--kind", default="dcgan", help="dcgan (64 pixels) or sheet (seamless, any size) (default dcgan)")
    parser.add_argument("--millimetres-per-pixel", type=float, metavar="MM", help="scale of the photographs, for a sheet (a scan of 300 dpi has 0.085)")
    parser.add_argument("--iterations", type=int, default=6000, help="steps in all (default 6000)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument("--seed", type=int, default=0, help="of weights and order (default 0)")
    parser.add_argument("--restart", action="store_true", help="start anew instead of going on from the last checkpoint")
    parser.add_argument("--begin-with", metavar="MODEL", help="a sheet model whose weights to begin with (--kind sheet; photographs begin with washi-sheet)")
    parser.add_argument("--threads", type=int, help="processor threads to use")


def _analyse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model's name or folder")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default 0)")
    parser.add_argument("--threads", type=int, help="processor threads to use (default all)")
    parser.add_argument("--out", default="analysis", metavar="FOLDER", help="for index.html, its pictures and analysis.json (default analysis)")


def _atlas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model's name or folder; its bundle is given the atlas")
    parser.add_argument("--threads", type=int, help="processor threads to use (default all)")


def _figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=None, help="a model's name or folder (default washi-dcgan-64)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default 0)")
    parser.add_argument("--out", default="figures", metavar="FOLDER", help="for figure-1.png to figure-5.png (default figures)")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 2,0,5") from error


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 2/8")
    return int(index), int(count)


# models


def _run_models(arguments: argparse.Namespace) -> int:
    from .core.models import ModelInfo, find_bundles, verify

    found = find_bundles()
    rows: list[dict[str, Any]] = []
    for name, bundle in found.items():
        problem = str(bundle) if isinstance(bundle, WashiError) else None
        if arguments.verify and isinstance(bundle, ModelInfo):
            try:
                verify(bundle.folder)
            except WashiError as error:
                problem = str(error)
        rows.append({"name": name, "problem": problem, **(_facts(bundle) if isinstance(bundle, ModelInfo) else {})})
    if arguments.json:
        print(json.dumps(rows, indent=1))
    for row in rows if not arguments.json else []:
        print(f"{row['name']}: {row['problem'] or row['title'] + ', ' + row['shape'] + ', ' + row['license']}")
    if not rows:
        print("no models are here: set $WASHI_LATENT_MODELS to a folder of bundles, or train one", file=sys.stderr)
    return 1 if any(row["problem"] for row in rows) else 0


def _facts(info: Any) -> dict[str, Any]:
    size = "any size" if info.size is None else f"{info.size[1]} x {info.size[0]} pixels"
    return {
        "title": info.title,
        "license": info.license,
        "shape": f"{info.latent_dim} dimensions, {size}, {'+'.join(info.channels)}",
        "latent_dim": info.latent_dim,
        "channels": list(info.channels),
        "size": info.size,
        "tileable": info.tileable,
        "millimetres_per_pixel": info.millimetres_per_pixel,
        "folder": str(info.folder),
    }


# explore


def _run_explore(arguments: argparse.Namespace) -> int:
    from .core.images import read_image, writable_folder
    from .core.sessions import write_session

    if not 1 <= arguments.steps <= 1000:
        raise WashiError(f"{arguments.steps} steps were asked for: choose 1 to 1000")
    if arguments.keep is not None and not arguments.keep.encode(errors="ignore").strip():
        raise WashiError("a favourite needs a name: give it one")
    search = _search(arguments)
    target = read_image(arguments.toward) if arguments.toward else None
    folder = writable_folder(arguments.out)
    start = len(search.state.path()) - 1
    for step in range(arguments.steps):
        began = time.perf_counter()
        candidates = search.sample()
        index = _choice(arguments, candidates, target, step)
        _write_step(folder, start + step + 1, candidates, index, search.model.info)
        search.pick(index)
        print(f"step {start + step + 1}: picked texture {index} of {len(candidates.latents)} ({time.perf_counter() - began:.1f} s)", file=sys.stderr)
        _say(candidates.representatives.message)
        write_session(folder / "session.json", search)
    _write_find(folder, search)
    if arguments.keep is not None:
        search.keep(arguments.keep.encode(errors="replace").decode())
        write_session(folder / "session.json", search)
    _remove_older(folder, r"step-(\d{2,})-(candidates|representatives)\.png", start + arguments.steps + 1)
    if arguments.json:
        print(json.dumps({"session": str(folder / "session.json"), "picked": [search.state.nodes[i].picked for i in search.state.path()[1:]]}))
    else:
        print(f"{folder / 'session.json'} and contact sheets are written; the find is {folder / 'find.png'}")
    return 0


def _search(arguments: argparse.Namespace) -> Search:
    from .core.ranges import check_seed
    from .core.search import Search, SearchSettings, default_settings
    from .core.sessions import read_session
    from .core.sphere import concentration_for_angle

    session = read_session(arguments.session) if arguments.session else None
    if session is not None and arguments.seed is not None:
        raise WashiError("a session goes on with the seed that it began with: leave --seed out, or leave --from out to begin a new search")
    if arguments.seed is not None:
        check_seed(arguments.seed)
    model = _load(arguments, *([session] if session else []))
    given = {
        name: getattr(arguments, name) for name in ("samples", "representatives", "method", "radius", "concentration") if getattr(arguments, name) is not None
    }
    if arguments.angle is not None:
        import math

        given["concentration"] = concentration_for_angle(math.radians(arguments.angle), model.latent_dim)
    if arguments.no_shell:
        given["shell"] = False

    def changed(settings: SearchSettings, first: bool) -> SearchSettings:
        """With what was given; the first step has no last direction that its light could be narrow around."""
        wanted = dict(given)
        if arguments.samples is not None:
            wanted.setdefault("representatives", min(settings.representatives, max(1, arguments.samples)))
        if first:
            wanted.pop("concentration", None)
        elif "concentration" in given:
            wanted["direction"] = "last"
        return replace(settings, **wanted)

    first, after = default_settings(model)
    size, later = _size(arguments, session), changed(after, False)
    if session is None:
        return Search(model, seed=arguments.seed or 0, settings=changed(first, True), settings_after=later, size=size, threads=arguments.threads)
    search = Search(model, state=session.state, settings_after=later, size=size, threads=arguments.threads)
    if given:
        search.adjust(changed(search.state.node.settings, search.state.node.parent < 0))
    return search


def _choice(arguments: argparse.Namespace, candidates: Candidates, target: np.ndarray[Any, Any] | None, step: int) -> int:
    from .core.search import rank_by_picture

    shown = candidates.representatives.indices
    if target is not None:
        return int(rank_by_picture(candidates.images, target)[0])
    picks = arguments.pick or [0]
    position = picks[min(step, len(picks) - 1)]
    if not 0 <= position < len(shown):
        raise WashiError(f"step {step + 1} shows {len(shown)} representatives: pick one from 0 to {len(shown) - 1}")
    return int(shown[position])


def _write_step(folder: Path, number: int, candidates: Candidates, picked: int, info: ModelInfo) -> None:
    from .core.images import contact_sheet, write_png
    from .core.light import lit

    pictures = lit(candidates.images, info)
    shown = [int(i) for i in candidates.representatives.indices]
    place = {index: position for position, index in enumerate(shown)}
    labels = [f"{i}" + (f"  shown as {place[i]}" if i in place else "") for i in range(len(candidates.images))]
    order = [picked] if picked not in place else []
    write_png(
        folder / f"step-{number:02d}-candidates.png",
        contact_sheet(pictures, labels, columns=10, tile=112, marked=shown, title=f"Step {number}: all candidates; framed: those that are shown"),
    )
    names = [f"{place.get(i, '-')}: texture {i}" + (", picked" if i == picked else "") for i in [*shown, *order]]
    marked = [i for i, index in enumerate([*shown, *order]) if index == picked]
    write_png(
        folder / f"step-{number:02d}-representatives.png",
        contact_sheet(pictures[[*shown, *order]], names, columns=4, tile=192, marked=marked, title=f"Step {number}: representatives; framed: the pick"),
    )


def _write_find(folder: Path, search: Search) -> None:
    from .core.images import rgb, write_png

    write_png(
        folder / "find.png",
        rgb(search.picture()),
        {"model": search.state.model, "latent": list(search.state.node.center), "seed": search.state.noise_seed, "version": __version__},
    )


def _remove_older(folder: Path, naming: str, first: int, ours: Callable[[Path], bool] = lambda _: True) -> None:
    """Remove what an earlier run left that made more: files of a naming whose number is `first` or above."""
    for path in list(folder.iterdir()):
        named = re.fullmatch(naming, path.name)
        if named and int(named[1]) >= first and ours(path):
            with suppress(OSError):
                path.unlink()


def _load(arguments: argparse.Namespace, *sessions: Session) -> TextureModel:
    """The model that was asked for, or that of sessions, which fit no other."""
    from .core.models import DEFAULT_MODEL, load_model
    from .core.ranges import check_threads
    from .core.sessions import generator_of

    name = sessions[0].model if sessions else DEFAULT_MODEL
    check_threads(arguments.threads)
    model = load_model(name if arguments.model is None else arguments.model, arguments.backend, threads=arguments.threads)
    if sessions and model.info.name != name:
        raise WashiError(f"the session was made with the model {name}, not with {model.info.name}: leave --model out, or give that one")
    if any(session.generator not in (None, generator_of(model.info)) for session in sessions):
        _say(f"the model {name} is not the one that the session was made with, though it has its name: textures look different")
    return model


def _size(arguments: argparse.Namespace, session: Session | None) -> int | None:
    if arguments.size is not None and arguments.size < 1:
        raise WashiError(f"a size of {arguments.size} pixels was asked for: choose 1 or more")
    return arguments.size if arguments.size is not None or session is None else session.size


# sequence


def _run_sequence(arguments: argparse.Namespace) -> int:
    from .core.images import contact_sheet, read_provenance, rgb, writable_folder, write_json, write_png
    from .core.light import lit
    from .core.sequence import interpolate
    from .core.sessions import place_of, read_session

    if arguments.count < 3:
        raise WashiError(f"{arguments.count} textures leave nothing between the ends: ask for 3 or more")
    sessions = [read_session(path) for path in arguments.sessions]
    if len({session.model for session in sessions}) > 1:
        raise WashiError("the sessions were made with different models: take both ends from searches of one model")
    if len({session.state.noise_seed for session in sessions}) > 1:
        raise WashiError("the sessions show different sheets (noise seeds): take both ends from searches with one noise seed")
    model = _load(arguments, *sessions)
    ends = [place_of(state, name) for state, name in zip(_spread_sessions([s.state for s in sessions], len(arguments.ends)), arguments.ends, strict=True)]
    if len(ends) < 2:
        raise WashiError("a sequence needs two ends: give two or more, such as --ends start end")
    size = _size(arguments, sessions[0])
    folder = writable_folder(arguments.out)
    sequence = interpolate(
        model,
        ends[0],
        ends[-1],
        arguments.count - 2,
        arguments.spacing,
        arguments.path,
        between=ends[1:-1],
        size=size,
        seed=sessions[0].state.noise_seed,
        progress=_bar("sequence"),
        threads=arguments.threads,
    )
    for i, image in enumerate(sequence.images):
        provenance = {
            "model": model.info.name,
            "latent": sequence.latents[i].tolist(),
            "seed": sessions[0].state.noise_seed,
            "position": float(sequence.positions[i]),
            "version": __version__,
        }
        write_png(folder / f"texture-{i:03d}.png", rgb(image), provenance)
    labels = [f"{i}: {s:.3f}" + ("" if t == "ok" else " !") for i, (s, t) in enumerate(zip(sequence.similarities, sequence.status, strict=True))]
    write_png(
        folder / "sequence.png",
        contact_sheet(lit(sequence.images, model.info), labels, columns=6, tile=192, title="The sequence; below each texture: MSSIM to the reference"),
    )
    write_json(
        folder / "sequence.json",
        {"program": f"washi-latent {__version__}", "model": model.info.name, "size": size, "seed": sessions[0].state.noise_seed, **sequence.to_dict()},
    )
    if not arguments.no_plot:
        _plot(sequence, folder / "similarity.png")
    # Anybody may have a texture-007.png: a sequence's own tells its place.
    _remove_older(folder, r"texture-(\d{3,})\.png", len(sequence.images), lambda path: "position" in (read_provenance(path) or {}))
    _say(sequence.message)
    _print_metrics(sequence, folder, arguments.json)
    return 0


def _plot(sequence: Any, path: Path) -> None:
    try:
        sequence.draw(path)
    except WashiError as error:
        _say(str(error))


def _print_metrics(sequence: Any, folder: Path, as_json: bool) -> None:
    metrics = vars(sequence.metrics)
    if as_json:
        print(json.dumps({"folder": str(folder), "textures": len(sequence.positions), **metrics}))
        return
    print(f"{len(sequence.positions)} textures are in {folder}")
    print(
        f"largest over smallest step, neighbours: {metrics['neighbour_step_ratio']:.3f}; to the reference: {metrics['reference_step_ratio']:.3f}; flagged: {metrics['flagged']}"
    )


def _spread_sessions(states: list[Any], count: int) -> list[Any]:
    """Which session each end is from: one session for all, or one an end."""
    if len(states) == 1:
        return states * count
    if len(states) != count:
        raise WashiError(f"{len(states)} sessions and {count} ends were given: give one session, or one an end")
    return states


# export


def _run_export(arguments: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from .core.export import export, plan, shard
    from .core.recipe_reading import read_recipe

    if arguments.recipe is None and not arguments.verify:
        raise WashiError("no recipe was given: give a TOML file, such as recipe.toml, or --verify to check a folder as it is")
    if arguments.recipe is None:
        return _verify_export(arguments, None)
    writes_library = not (arguments.verify or arguments.dry_run or arguments.shard)
    lacking = (
        ""
        if find_spec("bpy") or not writes_library
        else "a material library is made by Blender: run blender --command washi_latent export, or leave [library] out"
    )
    recipe = read_recipe(arguments.recipe, no_library=lacking)
    items = plan(recipe, _bar("plan"))
    if arguments.verify:
        return _verify_export(arguments, items)
    share = shard(items, *arguments.shard) if arguments.shard else items
    if arguments.dry_run:
        return _dry_run(arguments, share)
    report = export(share, arguments.out, arguments.jobs, arguments.scheduler, _bar("export"))
    facts: dict[str, Any] = {"folder": arguments.out, **vars(report)}
    said = f"{report.made} textures were made and {report.found} were there: {report.items} are in {arguments.out} ({_duration(report.seconds)})"
    if recipe.library is not None and writes_library:
        from .addon.library import write_library

        facts["library"] = str(write_library(recipe, items, Path(arguments.out)))
        said += f"; the material library is {facts['library']}"
    print(json.dumps(facts) if arguments.json else said)
    return 0


def _verify_export(arguments: argparse.Namespace, items: Sequence[Any] | None) -> int:
    from .core.export import check_folder

    wrong = check_folder(arguments.out, items)
    if arguments.json:
        print(json.dumps({"folder": arguments.out, "problems": wrong}))
    else:
        print("\n".join(wrong) or f"{arguments.out} is whole: every file fits its checksum")
    return 1 if wrong else 0


def _dry_run(arguments: argparse.Namespace, items: Sequence[Any]) -> int:
    from .core.export import estimate

    found = estimate(items, arguments.out, arguments.jobs, _bar("samples"))
    if arguments.json:
        print(json.dumps({"folder": arguments.out, **vars(found), "names": [item.name for item in items]}))
        return 0
    kinds: dict[str, int] = {}
    for item in items:
        name = f"{item.points}, {item.model}, {item.size[1]} x {item.size[0]}"
        kinds[name] = kinds.get(name, 0) + 1
    for name, count in kinds.items():
        print(f"{count:7} textures: {name}")
    print(f"{found.missing} of {found.items} textures are to be made: about {found.bytes / 2**20:.1f} MB and {_duration(found.seconds)}, judged by samples")
    if found.bytes > found.free:
        print(f"only {found.free / 2**20:.0f} MB are free there: free some space, or choose another folder", file=sys.stderr)
    return 0


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


# synthesize, train, figures


def _run_synthesize(arguments: argparse.Namespace) -> int:
    from .core.images import check_file, contact_sheet, write_png
    from .core.ranges import check_seed

    try:
        from .training.washi import KINDS, TITLES, synthesize
    except ImportError as error:
        raise _not_here("the simulation", "simulate", error) from error
    out = Path(arguments.out)
    check_seed(arguments.seed)
    check_file(out)
    if arguments.kind == "all":
        import numpy as np

        bar, pictures = _bar("synthesize"), []
        for i, kind in enumerate(KINDS):
            pictures.append(synthesize(kind, arguments.size, arguments.seed, arguments.scale).scan())
            bar((i + 1) / len(KINDS))
        width = arguments.size * arguments.scale
        title = f"Simulated washi, {width:.0f} x {width:.0f} mm each, light from the upper left"
        write_png(out, contact_sheet(np.stack(pictures), [TITLES[k] for k in KINDS], columns=5, tile=min(arguments.size, 384), title=title))
        print(f"{out} is written: {len(KINDS)} kinds")
        return 0
    sheet = synthesize(arguments.kind, arguments.size, arguments.seed, arguments.scale)
    facts = {"simulated": sheet.kind, "seed": sheet.seed, "millimetres_per_pixel": sheet.millimetres_per_pixel, "version": __version__}
    write_png(out, sheet.scan(), facts)
    if arguments.maps:
        write_png(out.with_name(f"{out.stem}_color.png"), sheet.color, facts)
        write_png(out.with_name(f"{out.stem}_height.png"), sheet.height, facts, bits=16)
        write_png(out.with_name(f"{out.stem}_opacity.png"), sheet.opacity, facts)
    print(f"{out} is written")
    return 0


def _run_train(arguments: argparse.Namespace) -> int:
    try:
        from .training import train
    except ImportError as error:
        raise _not_here("training", "train", error) from error
    info = train(
        out=Path(arguments.out),
        images=Path(arguments.images) if arguments.images else None,
        synthetic=arguments.synthetic,
        kind=arguments.kind,
        millimetres_per_pixel=arguments.millimetres_per_pixel,
        iterations=arguments.iterations,
        minutes=arguments.minutes,
        seed=arguments.seed,
        resume=not arguments.restart,
        begin_with=arguments.begin_with,
        threads=arguments.threads,
    )
    print(f"the model {info.name} is in {info.folder}")
    return 0


def _run_analyse(arguments: argparse.Namespace) -> int:
    _need_matplotlib("the report")
    from .core.ranges import check_threads
    from .report import write_report

    check_threads(arguments.threads)
    print(write_report(arguments.model, arguments.out, arguments.seed, _bar("analyse"), arguments.threads))
    return 0


def _run_atlas(arguments: argparse.Namespace) -> int:
    from .core.atlas import ATLAS_FILE, write_atlas
    from .core.models import locate
    from .core.ranges import check_threads

    check_threads(arguments.threads)
    print(write_atlas(locate(arguments.model), progress=_bar("atlas"), threads=arguments.threads).folder / ATLAS_FILE)
    return 0


def _run_figures(arguments: argparse.Namespace) -> int:
    try:
        from .figures import draw_figures
    except ImportError as error:
        raise _not_here("drawing figures", "figures", error) from error
    _need_matplotlib("drawing figures")
    for path in draw_figures(arguments.model, arguments.out, arguments.seed):
        print(path)
    return 0


def _need_matplotlib(what: str) -> None:
    """Say at once that it is missing: it is imported only where something is drawn, which is minutes later."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise _not_here(what, "figures", error) from error


def _not_here(what: str, extra: str, error: ImportError) -> WashiError:
    missing = error.name or ""
    why = "is not part of the extension" if missing.startswith(f"{__package__}.") else f"needs {missing.partition('.')[0]}, which is not installed"
    return WashiError(f"{what} {why}: pip install 'washi-latent[{extra}]'")


# Saying things


def _say(message: str | None) -> None:
    if message:
        print(message, file=sys.stderr)


def _bar(name: str) -> Callable[[float], None]:
    """A progress bar with the time left, on a terminal only."""
    began, shown = time.perf_counter(), -1.0

    def show(done: float) -> None:
        nonlocal shown
        if sys.stderr.isatty() and (done >= 1 > shown or (done < 1 and round(done * 200) != round(shown * 200))):
            shown = done
            left = (time.perf_counter() - began) * (1 - done) / max(done, 1e-6)
            print(f"\r{name} [{'#' * round(done * 30):30}] {done:4.0%}, {left:.0f} s left ", end="" if done < 1 else "\n", file=sys.stderr, flush=True)

    return show
