"""For every test: shapes and types are checked on every call, one torch thread, and gsplat never tries to build."""

import os
from pathlib import Path

import jaxtyping
import pytest
import torch
import typechecker  # beside this file

if not torch.cuda.is_available():  # a compiler may be there without a GPU: gsplat must not start a build
    os.environ["CUDA_HOME"] = "/nonexistent"
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported: its kernels run in Python, on the CPU

PACKAGE = Path(__file__).parents[1] / "semsplat"


def checked_modules() -> list[str]:
    """Every module but the compiled kernels, which take no Python decorators, and packages that hold those."""
    names = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not {"_kernels", "_triton_kernels"} & set(parts) and parts not in (("semsplat",), ("semsplat", "splatting")):
            names.append(".".join(parts))
    return names


jaxtyping.jaxtyped = typechecker.jaxtyped  # what the hook puts before every function and class
jaxtyping.install_import_hook(checked_modules(), "typechecker.check")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures, which is not part of the project."""
    if not os.environ.get("SEMSPLAT_CAPTURES"):
        pytest.skip("SEMSPLAT_CAPTURES is not set: no folder of real captures")
    return Path(os.environ["SEMSPLAT_CAPTURES"])
