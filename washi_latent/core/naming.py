"""Names of exported files: a pattern with fields, safe on every system, unique, and never outside its folder."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping

NAME_FIELDS = ("points", "label", "index", "model", "size", "noise_seed", "id")
_COUNTED = ("index", "noise_seed")
_FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_MAX_PART = 140
"""Bytes of a part of a name: most file systems take 255, and a map's name and a temporary ending follow."""
_MAX_NAME = 600
"""Bytes of a whole name: systems take paths of 1,000 to 4,000, and the export's folder stands before it."""
_SHOWN = 3


def slug(text: str) -> str:
    """A text as a part of a file name: letters and digits of any script, dots, dashes and underscores."""
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", text)).strip("-.")
    return plain.encode()[:60].decode(errors="ignore") or "unnamed"


def fill(pattern: str, parts: Mapping[str, str | int]) -> str:
    """A name of a checked pattern."""
    return pattern.format_map(dict(parts))


def check_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern, or None.

    Args:
        pattern: text, slashes between folders, and fields of `NAME_FIELDS` in braces; `index` and `noise_seed` may say how
            many digits: {index:04}.
    """
    try:
        parsed = list(string.Formatter().parse(pattern))
    except ValueError as error:
        return f"is {pattern!r}, whose braces don't fit ({error})"
    for _, field, spec, conversion in parsed:
        if field is None:
            continue
        if field not in NAME_FIELDS or conversion:
            return f"holds {{{field}}}: choose from {', '.join(NAME_FIELDS)}"
        if spec and not (field in _COUNTED and re.fullmatch("0?[1-9]", spec)):
            return f"holds {{{field}:{spec}}}: only {' and '.join(_COUNTED)} take a number of digits, such as {{index:04}}"
    return check_name(fill(pattern, {f: 1 if f in _COUNTED else "x" for f in NAME_FIELDS}))


def check_name(name: str) -> str | None:
    """What is wrong with a name, slashes between its folders, or None."""
    for part in name.split("/"):
        if not part or part.startswith(".") or part[-1] in ". ":
            return f"gives {name!r}: it has to stay in its folder, and no part may be empty, begin with a dot, or end with a dot or space"
        if _FORBIDDEN.search(part) or _RESERVED.fullmatch(part):
            return f'gives {name!r}: some systems refuse such a name, leave out < > : " \\ | ? * and names such as con'
        if len(part.encode()) > _MAX_PART:
            return f"gives {name[:60]!r} and more: choose a shorter one, {_MAX_PART} bytes a part at most"
    if len(name.encode()) > _MAX_NAME:
        return f"gives {name[:60]!r} and more: choose a shorter one, {_MAX_NAME} bytes at most"
    first, *rest = name.casefold().split("/")
    if first == ("manifest.json" if rest else "manifest"):
        return f"gives {name!r}, whose place is the list's own, manifest.json: choose another"
    return None


def _telling(pattern: str, key: str, items: Iterable[Mapping[str, str | int]]) -> list[str]:
    """Fields in braces that tell items of one name apart."""
    alike = [parts for parts in items if _key(fill(pattern, {**parts, "id": ""})) == key]
    return [f"{{{f}}}" for f in ("points", "index", "model", "size", "noise_seed") if len({parts[f] for parts in alike}) > 1]


def _key(name: str) -> str:
    """What systems that tell no small from capital letters take a name for."""
    return unicodedata.normalize("NFC", name).casefold()


def check_names(pattern: str, items: Iterable[Mapping[str, str | int]]) -> list[str]:
    """What is wrong with the names that a pattern gives.

    Args:
        pattern: a checked one. items: the fields of each item, to be gone through more than once, but "id", which differs between items.

    Returns:
        A few sentences; none: every name is safe, and no two are one, on no system.
    """
    unique = "{id" in pattern
    seen: set[str] = set()
    wrong: list[str] = []
    for parts in items:
        name = fill(pattern, {**parts, "id": "x" * 12})
        problem = check_name(name)
        key = _key(name)
        if problem is None and not unique and key in seen and len(wrong) < _SHOWN:
            problem = f"gives two items the name {name!r}: add {' or '.join([*_telling(pattern, key, items), '{id}'])}"
        if problem is not None and len(wrong) < _SHOWN:
            wrong.append(problem)
        seen.add(key)
    return wrong
