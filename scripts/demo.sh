#!/usr/bin/env bash
# The whole method once: search twice, interpolate twelve textures between the finds, write them into the materials of twelve
# shoji panels, save the .blend and render it. Needs Python 3.11 or 3.13 and nothing else; makes its own environment.
#
#   scripts/demo.sh [OUT]        OUT: folder for everything that is made (default: demo-out)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-demo-out}
began=$(date +%s)
# shellcheck source=scripts/python.sh
. "$root/scripts/python.sh"

mkdir -p "$out"
out=$(cd "$out" && pwd)
python=$(find_python 3.11 || find_python 3.13) || { echo "demo: Python 3.11 or 3.13 is needed: install one and try again" >&2; exit 2; }
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
environment="$out/environment-$version"
if [ ! -e "$environment/ready" ]; then
  echo "making an environment of Python $version in $environment"
  rm -rf "$environment"
  "$python" -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/tests/constraints-$version.txt" -e "$root[figures,blender]"
  touch "$environment/ready"
fi
run="$environment/bin/python"
echo "installed after $(($(date +%s) - began)) s"
"$run" "$root/scripts/demo.py" "$out"
echo "textures after $(($(date +%s) - began)) s; building the scene and rendering"
"$run" "$root/scripts/demo_scene.py" "$out/sequence" "$out" --samples "${SAMPLES:-48}" > "$out/render.log" 2>&1 || { tail -5 "$out/render.log" >&2; exit 1; }
cat <<END
done after $(($(date +%s) - began)) s. In $out:
  search-first/, search-second/   every step's candidates and representatives as contact sheets, and session.json
  sequence/                       12 textures (PNG), sequence.png, similarity.png, sequence.json
  shoji.blend                     12 shoji panels, one material each, images packed: open it in Blender
  shoji.png                       its render
END
