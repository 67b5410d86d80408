"""What gsplat's CUDA code needs to be compiled, looked for before it is touched: one sentence for what is missing."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from .errors import DeviceError

VERSIONS = ("1.5", "1.6")  # of gsplat, whose functions we know
INSTALL = "pip install 'semsplat[cuda]'"


def needs_build() -> bool:
    """Whether the first picture on a GPU waits for gsplat's CUDA code to be compiled, which takes a minute or two."""
    if "gsplat.cuda._backend" in sys.modules or importlib.util.find_spec("gsplat") is None:
        return False
    if importlib.util.find_spec("gsplat.csrc") is not None:  # a wheel with compiled code
        return False
    from torch.utils.cpp_extension import _get_build_directory

    folder = Path(_get_build_directory("gsplat_cuda", verbose=False))
    return not any((folder / f"gsplat_cuda{suffix}").exists() for suffix in (".so", ".lib"))


def check_installed() -> None:
    """Say what to do when gsplat is not here, or is another one than we know."""
    if importlib.util.find_spec("gsplat") is None:
        raise DeviceError(f"gsplat, which draws on NVIDIA GPUs, is not installed: {INSTALL}, or work on the CPU.")
    found = importlib.metadata.version("gsplat")
    if ".".join(found.split(".")[:2]) not in VERSIONS:
        raise DeviceError(
            f"gsplat {found} is installed, but semsplat is written for {' or '.join(VERSIONS)}: {INSTALL}."
        )


def check_tools() -> None:
    """What compiling needs: nvcc, a C++ compiler, ninja."""
    from torch.utils import cpp_extension

    beside = Path(sys.executable).parent  # an environment's programs, also when it is not activated
    if shutil.which("ninja") is None and shutil.which("ninja", path=str(beside)) is not None:
        os.environ["PATH"] = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    home = cpp_extension.CUDA_HOME
    nvcc = shutil.which("nvcc", path=f"{home}/bin" if home else None)
    if nvcc is None:
        raise DeviceError(missing("nvcc"))
    for program in (os.environ.get("CXX", "c++"), "ninja"):
        if shutil.which(program) is None:
            raise DeviceError(missing(program))
    _check_release(nvcc)


def _check_release(nvcc: str) -> None:
    """nvcc and torch must be of one major version of CUDA."""
    said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False).stdout
    release = re.search(r"release (\d+)", said)
    wanted = (torch.version.cuda or "").split(".")[0]
    if release and wanted and release[1] != wanted:
        raise DeviceError(
            f"{nvcc} is of CUDA {release[1]} and torch of CUDA {torch.version.cuda}, but gsplat is compiled with both: "
            f"install the CUDA toolkit {torch.version.cuda}, or torch for CUDA {release[1]}."
        )


def missing(program: str) -> str:
    toolkit = f"the CUDA toolkit {torch.version.cuda or ''}".strip()
    remedies = {
        "nvcc": f"install {toolkit} (the driver alone is not enough) or set CUDA_HOME to it",
        "ninja": INSTALL,
    }
    remedy = remedies.get(program, "install a C++ compiler (on Debian: apt-get install g++)")
    return f"gsplat compiles its CUDA code on first use and finds no {program}: {remedy}, or work on the CPU."


def gist(error: Exception) -> str:
    """The line of a compiler's output that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = [line for line in lines if "error" in line.lower() and "Error building extension" not in line]
    return (said or lines)[0]
