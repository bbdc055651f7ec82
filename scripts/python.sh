# find_python VERSION: prints a Python of that version that really runs (a version manager's stand-in may be on the path and fail).
find_python() {
  local candidate
  for candidate in "python$1" python3 python; do
    if command -v "$candidate" > /dev/null 2>&1 && [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null)" = "$1" ]; then
      command -v "$candidate"
      return 0
    fi
  done
  if command -v pyenv > /dev/null 2>&1; then
    local installed
    installed=$(pyenv versions --bare 2> /dev/null | grep -E "^$1(\.|$)" | tail -n 1)
    if [ -n "$installed" ] && "$(pyenv prefix "$installed")/bin/python" -c '' 2> /dev/null; then
      echo "$(pyenv prefix "$installed")/bin/python"
      return 0
    fi
  fi
  return 1
}
