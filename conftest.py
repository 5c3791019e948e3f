"""What `make doctest` leaves out: the kernels for CUDA, where there is no triton to import."""

from __future__ import annotations

import importlib.util

_KERNELS = ["skreg/engine/fused_cuda.py", "skreg/engine/triton_kernels.py"]

collect_ignore = [] if importlib.util.find_spec("triton") else _KERNELS
