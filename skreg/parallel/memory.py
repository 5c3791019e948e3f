"""How much memory is available, and sizes written as text."""

from __future__ import annotations

import os
import re
from numbers import Real
from pathlib import Path

_UNITS = {
    **{"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12},
    **{"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40},
}

#: Limit, use and statistics of a container: control groups of version 2 and of version 1.
_CONTAINERS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def available_memory():
    """Bytes that can be allocated without swapping; 4 GiB where the system does not say."""
    available = _system_memory()
    for names in _CONTAINERS:
        try:
            limit, used, stat = (Path("/sys/fs/cgroup", name).read_text() for name in names)
            # File pages that can be dropped count as used.
            cached = re.search(r"^(?:total_)?inactive_file (\d+)", stat, re.MULTILINE)
            left = int(limit) - int(used) + (int(cached[1]) if cached else 0)
            available = min(available, max(left, 0))
        except (OSError, ValueError):  # no such file, or no limit: "max"
            continue
    return available


def _system_memory():
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return 4 << 30


def parse_memory(value):
    """Bytes of a number or of a text such as "2GiB"; None stays None.

    Raises
    ------
    ValueError
        For anything else.
    """
    if value is None:
        return None
    size = 0.0
    if isinstance(value, Real) and not isinstance(value, bool):
        size = float(value)
    elif isinstance(value, str):
        match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([kmgt]i?|)b?", value.strip().lower())
        if match:
            size = float(match[1]) * _UNITS[match[2]]
    if not size > 0:
        raise ValueError(
            f"memory={value!r} is not a size. Use a number of bytes above 0, a text such as "
            "'2GiB', or None."
        )
    return size
