"""Operators: thin, one undo step a gesture."""

from __future__ import annotations

from . import explore, models

CLASSES = (*explore.CLASSES, *models.CLASSES)
