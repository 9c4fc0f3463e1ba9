#!/bin/sh
# Runs a command of waiting_workflows with the repository's Python; the four scripts call it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    PYTHON="$root/.venv/bin/python"
    [ -x "$PYTHON" ] || { echo "no $PYTHON: run 'make install-dev' first, or set PYTHON" >&2; exit 2; }
fi
PYTHONPATH="$here:$root/src" exec "$PYTHON" -m waiting_workflows "$@"
