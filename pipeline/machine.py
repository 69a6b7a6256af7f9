"""What this machine offers: cores, free memory, instruction sets. Read at the edges and passed on."""

from __future__ import annotations

import os
import resource
from pathlib import Path


def cores() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_available() -> int:
    """Bytes this process can still take: the least of the kernel's estimate, its control group and its own limit."""
    candidates = [_meminfo("MemAvailable"), _cgroup(), _own_limit()]
    known = [value for value in candidates if value is not None]
    return max(0, min(known)) if known else 1 << 62


def memory_total() -> int | None:
    """Bytes of memory installed, where the kernel says."""
    return _meminfo("MemTotal")


def instruction_sets() -> tuple[str, ...]:
    """The processor's instruction sets that matter for matrix products, in the kernel's spelling."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ()
    wanted = (
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "avx_vnni",
        "amx_tile",
        "amx_int8",
        "amx_bf16",
        "asimd",
        "asimddp",
        "i8mm",
        "bf16",
        "sve",
    )
    line = next((line for line in text.splitlines() if line.split(":")[0].strip() in ("flags", "Features")), "")
    present = set(line.split())
    return tuple(name for name in wanted if name in present)


def _meminfo(key: str) -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def _cgroup() -> int | None:
    root = Path("/sys/fs/cgroup")
    try:
        limit = (root / "memory.max").read_text(encoding="utf-8").strip()
        used = int((root / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) - used


def _own_limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return None
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    return soft - pages * resource.getpagesize()
