"""Where in a TOML text each table and key stands: what Python's own reader does not tell, and a mistake's line needs."""

from __future__ import annotations

import re
import tomllib
from typing import Any

Path = tuple[str | int, ...]

# Strings and comments: brackets and line ends in them count for nothing.
_OPAQUE = re.compile(r'"""(?:[^\\]|\\.)*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL)


def toml_lines(text: str) -> dict[Path, int]:
    """Line numbers, from 1, of every table and key of a valid TOML text.

    Args:
        text: what `tomllib.loads` accepts.

    Returns:
        line by path; an array of tables counts its tables: ("points", 0, "name"). What stands inside an inline table or an
        array has no entry: its nearest parent has (`line_of`).
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    position = 0
    while (position := _statement(text, position)) < len(text):
        line = text.count("\n", 0, position) + 1
        end = _end(text, position, "\n")
        if text[position] == "[":
            table = _header(text[position:end], counts)
            path = table
        else:
            path = (*table, *_key(text[position : _end(text, position, "=")]))
        for length in range(len(path), 0, -1):
            lines.setdefault(path[:length], line)
        position = end
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of its nearest parent that has one; 1 where none has."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 1)


def _statement(text: str, position: int) -> int:
    """Where the next header or key begins."""
    found = re.compile(r"(?:\s|#[^\n]*)*").match(text, position)
    return found.end() if found else position


def _end(text: str, position: int, stop: str) -> int:
    """Where a character stands next, outside strings, comments and brackets that opened on the way."""
    depth = 0
    while position < len(text):
        opaque = _OPAQUE.match(text, position)
        if opaque:
            position = opaque.end()
            continue
        character = text[position]
        if character == stop and depth == 0:
            return position
        depth += (character in "[{") - (character in "]}")
        position += 1
    return position


def _header(text: str, counts: dict[Path, int]) -> Path:
    value: Any = tomllib.loads(text)
    path: Path = ()
    while value:
        name, value = next(iter(value.items()))
        path = (*path, name)
        if isinstance(value, list):
            counts[path] = counts.get(path, 0) + 1
            value = value[0]
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _key(text: str) -> list[str]:
    value: Any = tomllib.loads(f"{text} = 0")
    names: list[str] = []
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        names.append(name)
    return names
