"""One installed extension for all walks through the window."""

from __future__ import annotations

import pytest

from .desktop import Desktop, NoWindowError, open_desktop


@pytest.fixture(scope="session")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Desktop:
    try:
        return open_desktop(tmp_path_factory.mktemp("desktop-home"))
    except NoWindowError as why:
        pytest.skip(str(why))
