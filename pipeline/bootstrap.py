"""Makes `.venv` from nothing: `python3 pipeline/bootstrap.py`. Standard library only; run again, it does nothing.

Order matters: torch's CPU build before sentence-transformers (which would otherwise pull CUDA), llama.cpp compiled
here with flags for this processor, then the pinned rest (constraints.txt), then the project itself.

llama.cpp's native build uses AMX wherever the processor advertises it, and some virtual machines trap the first AMX
instruction (SIGILL). So on x86-64 the build takes everything the compiler finds except AMX; on other architectures,
and where the compiler does not know those flags or the result crashes, it takes llama.cpp's portable defaults,
narrowed to what the processor has. A wheel is kept under a name made of version, flags, compiler and processor,
because pip's own cache ignores CMAKE_ARGS.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".memoire-setup.json"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memoire" / "wheels"
LLAMA = "llama-cpp-python"
NO_AMX = "-march=native -mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
PROBE = "import llama_cpp; llama_cpp.llama_backend_init(); print(llama_cpp.__version__)"


def main() -> int:
    started = time.monotonic()
    wanted = fingerprint()
    if STAMP.is_file() and json.loads(STAMP.read_text()) == wanted and PYTHON.exists():
        return 0
    try:
        create_venv()
        pip("install", "--upgrade", "-c", "constraints.txt", "pip", "setuptools", "wheel")
        pip("install", "-c", "constraints.txt", "torch")
        install_llama()
        pip("install", "-c", "constraints.txt", "--no-build-isolation", "-e", ".[dev]")
        run(PYTHON, "-m", "pip", "check")
    except subprocess.CalledProcessError as error:
        say(f"setup stopped: {' '.join(map(str, error.cmd))} exited with {error.returncode}")
        return 2
    STAMP.write_text(json.dumps(wanted))
    say(f"environment ready in {time.monotonic() - started:.0f} s")
    return 0


def fingerprint() -> dict[str, str]:
    """What the environment depends on: when it is unchanged there is nothing to do."""
    files = hashlib.sha256()
    for name in ("constraints.txt", "pyproject.toml", "pipeline/bootstrap.py"):
        files.update((ROOT / name).read_bytes())
    return {"files": files.hexdigest(), "python": sys.version, "cpu": processor_flags(), "root": str(ROOT)}


def create_venv() -> None:
    if PYTHON.exists():
        return
    if sys.version_info < (3, 11):  # noqa: UP036 - an older interpreter may well run this file
        sys.exit(f"memoire needs Python 3.11 or later; this is {platform.python_version()}.")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        sys.exit("The venv module is missing: apt-get install python3-venv (Debian), then run this again.")
    run(sys.executable, "-m", "venv", VENV)


def install_llama() -> None:
    """Install the wheel built for this processor, compiling it if none is kept; falls back if it crashes."""
    version = pinned(LLAMA)
    for label, arguments in flag_choices():
        wheel = kept_wheel(version, arguments) or build_llama(version, label, arguments)
        if wheel is None:
            continue
        pip("install", "-c", "constraints.txt", "--force-reinstall", "--no-deps", wheel)
        pip("install", "-c", "constraints.txt", f"{LLAMA}=={version}", "numpy")
        outcome = subprocess.run([PYTHON, "-c", PROBE], capture_output=True, text=True, check=False)
        if outcome.returncode == 0:
            return
        say(f"llama.cpp built with {label} flags fails here (exit {outcome.returncode}); trying safer flags")
    sys.exit("llama.cpp could not be built for this machine: see the compiler's messages above.")


def flag_choices() -> list[tuple[str, str]]:
    """CMAKE_ARGS to try, fastest first."""
    choices = []
    if platform.machine() == "x86_64" and compiler_accepts(NO_AMX):
        choices.append(
            (
                "native-without-amx",
                f"-DGGML_NATIVE=OFF -DCMAKE_C_FLAGS='{NO_AMX}' -DCMAKE_CXX_FLAGS='{NO_AMX}'",
            )
        )
    portable = "-DGGML_NATIVE=OFF"
    if platform.machine() == "x86_64":
        flags = set(processor_flags().split())
        for option, needed in (("AVX2", "avx2"), ("FMA", "fma"), ("F16C", "f16c"), ("BMI2", "bmi2")):
            portable += f" -DGGML_{option}={'ON' if needed in flags else 'OFF'}"
    choices.append(("portable", portable))
    return choices


def build_llama(version: str, label: str, arguments: str) -> Path | None:
    folder = wheel_folder(version, arguments)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    say(f"compiling {LLAMA} {version} with {label} flags (2 to 15 minutes)")
    environment = {**os.environ, "CMAKE_ARGS": arguments, "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count())}
    outcome = subprocess.run(
        [
            PYTHON,
            "-m",
            "pip",
            "wheel",
            "--no-cache-dir",
            "--no-binary",
            LLAMA,
            "--no-deps",
            "-w",
            partial,
            f"{LLAMA}=={version}",
        ],
        cwd=ROOT,
        env=environment,
        check=False,
    )
    if outcome.returncode != 0:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return next(folder.glob("*.whl"))


def kept_wheel(version: str, arguments: str) -> Path | None:
    return next(wheel_folder(version, arguments).glob("*.whl"), None)


def wheel_folder(version: str, arguments: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False).stdout
    identity = "\n".join([version, arguments, compiler, processor_flags(), platform.machine(), sys.version])
    return CACHE / f"{LLAMA}-{version}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def compiler_accepts(flags: str) -> bool:
    command = ["c++", *flags.split(), "-x", "c++", "-fsyntax-only", os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        sys.exit("A C++ compiler is needed to build llama.cpp: apt-get install g++ (Debian), then run this again.")


def processor_flags() -> str:
    """The first processor's instruction sets, sorted; its model name where the kernel lists none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return " ".join(sorted(value.split()))
    return platform.processor()


def pinned(package: str) -> str:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.lower().startswith(f"{package}=="):
            return line.split("==")[1].strip()
    raise SystemExit(f"constraints.txt does not pin {package}")


def pip(*arguments: object) -> None:
    run(PYTHON, "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check", *arguments[1:])


def run(*command: object) -> None:
    say("$ " + " ".join(str(part) for part in command))
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


def say(line: str) -> None:
    print(f"[setup] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
