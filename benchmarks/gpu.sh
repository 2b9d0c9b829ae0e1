#!/bin/sh
# Everything that needs a GPU, unattended, in under 40 minutes: rows of the page "Results" in results/gpu.json.
#
#   sh benchmarks/gpu.sh CIFAR10 CIFAR100      folders in the official layout
#   sh benchmarks/gpu.sh --tiny                whether every step runs, on any machine
#
# AIRBENCH=path/to/airbench94.py, a public script of one's own choice, is timed on the same card.
# A step that fails or takes too long has a row that says why, and the next one begins.
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$PYTHON" ]; then
    PYTHON=python
    [ -x "$here/../.venv/bin/python" ] && PYTHON="$here/../.venv/bin/python"
fi
"$PYTHON" "$here/gpu_rows.py" "$@" && "$PYTHON" "$here/table.py"
