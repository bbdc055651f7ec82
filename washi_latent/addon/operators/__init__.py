"""Operators: thin, one undo step a gesture."""

from __future__ import annotations

from . import apply, directions, explore, find, models, sequence

CLASSES = (*explore.CLASSES, *directions.CLASSES, *find.CLASSES, *apply.CLASSES, *sequence.CLASSES, *models.CLASSES)
