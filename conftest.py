"""What `make doctest` leaves out: the kernels for CUDA, where there is no triton to import."""

from __future__ import annotations

import importlib.util

_KERNELS = ["skreg/backends/cuda/step.py", "skreg/backends/cuda/kernels.py"]

collect_ignore = [] if importlib.util.find_spec("triton") else _KERNELS
