"""Operators: thin, one undo step a gesture."""

from __future__ import annotations

from . import apply, explore, find, models

CLASSES = (*explore.CLASSES, *find.CLASSES, *apply.CLASSES, *models.CLASSES)
