"""Compiles the kernels of _triton_kernels.py for GPUs that need not be there; prints one JSON line per kernel.

A process of its own, for the tests' has Triton's interpreter.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from semsplat.splatting import _triton
from semsplat.splatting import _triton_kernels as kernels

WHOLE = ("starts", "ends", "order", "rows", "kept")  # pointers to int32
HALF = ("values", "image", "first", "second")  # pointers to bf16, but for adam's and the tests'
REAL = ("rate", "beta1", "beta2", "epsilon", "correction")
POINTERS = (*WHOLE, *HALF, "table", "alpha", "total", "cells", "parameter", "gradient")
VARIANTS = (  # name, channels, span
    ("adam", 0, None),
    ("trim", 0, None),
    ("draw", 512, None),
    ("gather", 512, None),
    ("draw_mean", 512, 4),
    ("gather_mean", 512, 8),
)


def compiled(name: str, channels: int, span: int | None, arch: int) -> dict[str, object]:
    """What ptxas made of one kernel."""
    kernel = getattr(kernels, name)
    if name == "trim":
        fixed, warps = {"ENTRIES": 16, "ALPHA_MAX": 0.999}, 8
    elif name == "adam":
        fixed, warps = {"BLOCK": 1024}, 4
    else:
        blocks, warps = _triton.blocks(name, channels, span)
        fixed = {**blocks, "ALPHA_MAX": 0.999, "EXACT": False}
    signature, hints = {}, {}
    for place, argument in enumerate(kernel.arg_names):
        pointer = argument in POINTERS and not (argument == "first" and name != "adam")
        if argument in fixed:
            signature[argument] = "constexpr"
        elif pointer:
            kind = "i32" if argument in WHOLE else "bf16" if argument in HALF else "fp32"
            signature[argument] = f"*{kind}"
        else:
            signature[argument] = "fp32" if argument in REAL else "i32"
        if pointer or argument in ("channels", "first", "depth", "count"):
            hints[(place,)] = [["tt.divisibility", 16]]
    constants = {(kernel.arg_names.index(key),): value for key, value in fixed.items()}
    source = ASTSource(kernel, signature, constants, hints)
    options = {"num_warps": warps, "num_stages": 2}
    made = triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)
    assembly = made.asm["ptx"]
    products = sorted({word for word in ("wgmma", "mma.sync") if word in assembly})
    vectors = bool(re.search(r"(atom|red)\.global\.[^;]*\.v[24]", assembly))
    fresh = [p.name for p in kernel.params if p.name in (*kernels.SIZES, "seed") and not p.do_not_specialize]
    return {
        "name": name, "arch": arch, "fresh": fresh, "products": products, "vectors": vectors,
        "shared": made.metadata.shared, **usage(made.asm["cubin"]),
    }  # fmt: skip


def usage(cubin: bytes) -> dict[str, int]:
    """Registers of a thread and bytes of its stack, where what does not fit in registers goes."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(cubin)
        said = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {key.lower(): int(re.search(rf"\b{key}:(\d+)", said)[1]) for key in ("REG", "STACK")}


if __name__ == "__main__":
    for arch in map(int, sys.argv[1:]):
        for variant in VARIANTS:
            print(json.dumps(compiled(*variant, arch)), flush=True)
