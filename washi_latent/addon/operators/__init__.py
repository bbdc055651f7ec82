"""Operators: thin, one undo step a gesture."""

from __future__ import annotations

from . import apply, explore, find, models, sequence

CLASSES = (*explore.CLASSES, *find.CLASSES, *apply.CLASSES, *sequence.CLASSES, *models.CLASSES)
