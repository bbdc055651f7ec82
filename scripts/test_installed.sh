#!/usr/bin/env bash
# Build the extension's zip and live its life in Blender: install, use, install over, disable, uninstall. On every Python that is here.
#
#   scripts/test_installed.sh [PYTEST ARGUMENT ...]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/python.sh
. "$root/scripts/python.sh"
cd "$root"
for version in 3.11 3.13; do
  if find_python "$version" > /dev/null; then
    scripts/test.sh "$version" -m installed tests/installed "$@"
  fi
done
