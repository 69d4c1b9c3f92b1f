# Sourced by scripts/demo and scripts/test: makes sure that .venv beside pyproject.toml holds what the project needs.
#
#   source scripts/bootstrap.sh      # then: prepare_venv, or prepare_venv test
#
# Sets: quietcorner_root, quietcorner_python. A finished install leaves a stamp in .venv named after what was asked
# for; a start that finds its stamp installs nothing, and one that was interrupted goes on where it stood.

quietcorner_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
quietcorner_python="$quietcorner_root/.venv/bin/python"

# 3.12 and 3.11 first: wheels of every dependency, the bundled Redis server included, exist for them.
_find_python() {
  local candidate
  for candidate in python3.12 python3.11 python3.13 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "error: no Python 3.11 or newer with its venv module was found on PATH (looked for python3.12, python3.11," \
    "python3.13, python3, python). Install one, for example the packages python3.11 and python3.11-venv." >&2
  return 1
}

# The stamp's path for an extra ("" or "test"): changes with what is asked for and with Python's version.
_stamp() {
  "$quietcorner_python" - "$quietcorner_root" "$1" <<'PYTHON'
import hashlib, pathlib, sys

root, extra = pathlib.Path(sys.argv[1]), sys.argv[2]
asked = [(root / name).read_bytes() for name in ("pyproject.toml", "scripts/constraints.txt")]
digest = hashlib.sha256(b"\0".join([*asked, sys.version.encode()])).hexdigest()[:16]
print(root / ".venv" / f".quietcorner-{digest}{'-' + extra if extra else ''}")
PYTHON
}

_make_venv() {
  if [ -x "$quietcorner_python" ] && "$quietcorner_python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  local found
  found="$(_find_python)"
  echo "Making .venv with $("$found" --version) ..."
  "$found" -m venv "$quietcorner_root/.venv"
}

# One line for each large download and each step, out of pip's many.
_condensed() {
  local line
  while IFS= read -r line; do
    case "$line" in
      *Downloading*MB*) echo "  ${line#"${line%%[![:space:]]*}"}" ;;
      "Installing collected packages"*) echo "  Putting it all in place; this can take a minute or two ..." ;;
      ERROR* | error*) echo "  $line" ;;
    esac
  done
}

_install() {
  local extra="$1" log="$quietcorner_root/.venv/install.log"
  echo "Installing Quiet Corner${extra:+ and its $extra tools} into .venv: 2 GB on disk or more, PyTorch for the most part."
  echo "This happens once and takes some minutes; it can be interrupted and goes on at the next start."
  if ! "$quietcorner_python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
    -c "$quietcorner_root/scripts/constraints.txt" -e "$quietcorner_root${extra:+[$extra]}" 2>&1 |
    tee "$log" | _condensed; then
    echo "error: the install failed; the end of $log:" >&2
    tail -n 15 "$log" >&2
    return 1
  fi
}

prepare_venv() {
  local extra="${1:-}" stamp
  _make_venv
  stamp="$(_stamp "$extra")"
  if [ ! -e "$stamp" ]; then
    _install "$extra"
    touch "$stamp"
    [ -z "$extra" ] || touch "$(_stamp "")" # an extra brings all that is needed without it
  fi
}
