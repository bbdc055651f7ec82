#!/usr/bin/env bash
# Walk through a real Blender window with the zip that users install, and keep pictures in out/desktop. Takes some minutes.
#
#   scripts/test_desktop.sh [PYTEST ARGUMENT ...]      WASHI_BLENDER_DESKTOP: the tool that opens the window
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
exec "$root/scripts/test.sh" -m desktop "$root/tests/desktop" "$@"
