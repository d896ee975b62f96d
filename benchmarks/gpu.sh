#!/usr/bin/env bash
# Everything that needs one GPU, in under nine minutes from a bare machine; prints one JSON.
#
#   bash benchmarks/gpu.sh                     one card of 40 GB or more, the shape of Qwen2-VL-2B
#   SHAPE=small bash benchmarks/gpu.sh         as far as a CPU goes
#   SHAPE=tiny bash benchmarks/gpu.sh          the same with the smallest model, as in tests
#
# PYTHON: an interpreter with rise-bench[train]; without one a virtual environment is made in $WORK.
# WHEEL: a carried wheel of rise-bench to install there instead of this checkout.
# SECONDS_IN_ALL: time for everything (500), installing included; what does not fit is listed as not run.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
work=${WORK:-$(mktemp -d)}
python=${PYTHON:-python3}
if ! "$python" -c "import rise_bench, trl" >/dev/null 2>&1; then
    mkdir -p "$work"
    pins=$here/constraints.txt
    if "$python" -c "import torch" 2>/dev/null; then # a machine's own torch is kept
        pins=$work/constraints.txt
        grep -Ev '^(torch|torchvision|triton|cuda-|nvidia-)' "$here/constraints.txt" > "$pins"
    fi
    "$python" -m venv --system-site-packages "$work/venv"
    python=$work/venv/bin/python
    "$python" -m pip install --quiet -c "$pins" "${WHEEL:-$here}[train]" 1>&2
fi
export TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
exec "$python" "$here/benchmarks/gpu_parts.py" --shape "${SHAPE:-qwen2-vl-2b}" --folder "$work" \
    --seconds "$((${SECONDS_IN_ALL:-500} - SECONDS))"
