#!/usr/bin/env bash
# All checks and tests in an environment of their own.
#
#   scripts/test.sh [3.11|3.13] [PYTEST ARGUMENT ...]      default: 3.11 where it is found, else 3.13
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/python.sh
. "$root/scripts/python.sh"
cd "$root"

case "${1-}" in
  3.*) version=$1; shift; python=$(find_python "$version") || { echo "test: Python $version is not here" >&2; exit 2; } ;;
  *) python=$(find_python 3.11 || find_python 3.13) || { echo "test: Python 3.11 or 3.13 is needed" >&2; exit 2; }
     version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ;;
esac
environment="$root/.venv-$version"
wanted=$(cat pyproject.toml "tests/constraints-$version.txt" | cksum)
if [ "$(cat "$environment/ready" 2> /dev/null)" != "$wanted" ]; then
  rm -rf "$environment"
  "$python" -m venv "$environment"
  extras=test,blender
  # As inside Blender, Python 3.13 is tested without PyTorch.
  [ "$version" = 3.11 ] && extras=test,blender,train
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -c "tests/constraints-$version.txt" -e ".[$extras]"
  echo "$wanted" > "$environment/ready"
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
run="$environment/bin/python"
if [ "$version" = 3.11 ]; then
  "$run" -m ruff check .
  "$run" -m ruff format --check .
  "$run" -m mypy
fi
"$run" -m pytest "$@"
