"""Compiled CPU kernels. The only file that imports numba.

Kernels release the interpreter lock and are split over threads by :func:`spread`, not by numba: any number of threads
may call them at once (training while pages render), there is no threading layer to crash and nothing that a forked
child could inherit broken. Compiled code is cached on disk.
"""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}  # not nnan and ninf: kernels test for both
LANES = 16  # pixels of a tile's row, one AVX-512 register of float32; tiles are LANES x LANES
TAPS = 11  # of the window of SSIM


def jit(function: Callable) -> Any:
    """Compile a kernel: no Python inside, no interpreter lock, cached on disk."""
    return numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")(function)


def inline(function: Callable) -> Any:
    """Compile a helper that disappears into the kernel that calls it."""
    return numba.njit(nogil=True, fastmath=FAST, error_model="numpy", inline="always")(function)


def exp_negative(power):
    """exp(-power) for power in [0, 80]: exact in float64, relative error below 2e-7 in float32, without a branch."""
    raise NotImplementedError("Only called from compiled kernels.")


@intrinsic
def _float_from_bits(typing_context, bits):
    """Read the bits of an int32 as a float32."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


_LOG2E, _HALF = np.float32(1.4426950408889634), np.float32(0.5)
_E1, _E2, _E3 = np.float32(0.6931471805599453), np.float32(0.2402265069591007), np.float32(0.05550410866482158)
_E4, _E5, _E6 = np.float32(0.009618129107628477), np.float32(0.0013333558146428443), np.float32(0.00015403530393381608)
_ONE, _BIAS, _MANTISSA = np.float32(1.0), np.int32(127), np.int32(23)


@overload(exp_negative, inline="always", jit_options={"fastmath": FAST, "error_model": "numpy", "nogil": True})
def _exp_negative(power):
    if power == types.float32:

        def single(power):
            t = -power * _LOG2E
            whole = np.int32(t - _HALF)  # towards zero, and t is not positive: the nearest integer
            f = t - np.float32(whole)
            series = _ONE + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * _E6)))))
            return series * _float_from_bits((whole + _BIAS) << _MANTISSA)

        return single
    return lambda power: np.exp(-power)


def _row(context, builder, array_type, array, offset):
    """Pointer to LANES numbers of a one-dimensional array, as a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    pointer = builder.gep(data, [offset])
    vector = ir.VectorType(context.get_value_type(array_type.dtype), LANES)
    return builder.bitcast(pointer, vector.as_pointer()), vector, array_type.dtype.bitwidth // 8


def _broadcast(builder, vector, number):
    """A vector of LANES times the same number."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)


@intrinsic
def add_row(typing_context, array, target, source, factor):
    """``array[target : target + LANES] += array[source : source + LANES] * factor``, one vector operation."""

    def generate(context, builder, signature, arguments):
        array_type = signature.args[0]
        to, vector, align = _row(context, builder, array_type, arguments[0], arguments[1])
        source, _, _ = _row(context, builder, array_type, arguments[0], arguments[2])
        factors = _broadcast(builder, vector, arguments[3])
        product = builder.fmul(builder.load(source, align=align), factors, flags=("contract",))
        builder.store(builder.fadd(builder.load(to, align=align), product, flags=("contract",)), to, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, array.dtype), generate


@intrinsic
def add_product_row(typing_context, array, target, first, second):
    """``array[target : target + LANES] += array[first : ...] * array[second : ...]``, one vector operation."""

    def generate(context, builder, signature, arguments):
        rows = [_row(context, builder, signature.args[0], arguments[0], offset) for offset in arguments[1:]]
        to, x, y = (builder.load(pointer, align=align) for pointer, _, align in rows)
        product = builder.fmul(x, y, flags=("contract",))
        builder.store(builder.fadd(to, product, flags=("contract",)), rows[0][0], align=rows[0][2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp), generate


@intrinsic
def multiply_row(typing_context, array, target, first, second):
    """``array[target : target + LANES] = array[first : ...] * array[second : ...]``."""

    def generate(context, builder, signature, arguments):
        rows = [_row(context, builder, signature.args[0], arguments[0], offset) for offset in arguments[1:]]
        x, y = (builder.load(pointer, align=align) for pointer, _, align in rows[1:])
        builder.store(builder.fmul(x, y), rows[0][0], align=rows[0][2])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp), generate


@intrinsic
def correlate_row(typing_context, array, target, source_array, source, step, taps, first):
    """``array[target : target + LANES] = sum_k source_array[source + k step : ...] * taps[first + k]``, k < TAPS."""

    def generate(context, builder, signature, arguments):
        types_of, total = signature.args, None
        for k in range(TAPS):
            offset = builder.add(arguments[3], builder.mul(arguments[4], ir.Constant(arguments[4].type, k)))
            pointer, vector, align = _row(context, builder, types_of[2], arguments[2], offset)
            tap = context.make_array(types_of[5])(context, builder, arguments[5]).data
            tap = builder.load(builder.gep(tap, [builder.add(arguments[6], ir.Constant(arguments[6].type, k))]))
            product = builder.fmul(builder.load(pointer, align=align), _broadcast(builder, vector, tap))
            total = product if total is None else builder.fadd(total, product, flags=("contract",))
        to, _, align = _row(context, builder, types_of[0], arguments[0], arguments[1])
        builder.store(total, to, align=align)
        return context.get_dummy_value()

    integer = types.intp
    return types.void(array, integer, source_array, integer, integer, taps, integer), generate


def _reduction(name: str, flags: tuple[str, ...], start: float | None):
    """An intrinsic that reduces a row to one number with an LLVM vector reduction."""

    @intrinsic
    def reduce(typing_context, array, offset):
        def generate(context, builder, signature, arguments):
            pointer, vector, align = _row(context, builder, signature.args[0], arguments[0], arguments[1])
            element = vector.element
            given = [element, vector] if start is not None else [vector]
            suffix = {"float": "f32", "double": "f64"}[str(element)]
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(element, given), f"llvm.vector.reduce.{name}.v{LANES}{suffix}"
            )
            values = [builder.load(pointer, align=align)]
            if start is not None:
                values.insert(0, ir.Constant(element, start))
            return builder.call(function, values, fastmath=flags)

        return array.dtype(array, types.intp), generate

    return reduce


sum_row = _reduction("fadd", ("reassoc", "nsz"), 0.0)  # sum of LANES numbers beginning at an offset
max_row = _reduction("fmax", ("nnan", "nsz"), None)  # largest of LANES numbers beginning at an offset


def threads() -> int:
    """How many threads kernels use: $SEMSPLAT_THREADS, else the cores this process may run on."""
    wanted = os.environ.get("SEMSPLAT_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}
os.register_at_fork(after_in_child=_pools.clear)  # a child has none of its parent's threads


def _pool(workers: int) -> ThreadPoolExecutor:
    with _lock:
        if workers not in _pools:
            _pools[workers] = ThreadPoolExecutor(workers, thread_name_prefix="semsplat-kernel")
        return _pools[workers]


def run(work: Callable[..., Any], parts: Sequence[tuple]) -> None:
    """``work(*part)`` for all parts, on all threads; whoever is free takes the next part."""
    helpers = min(threads(), len(parts)) - 1
    counter = itertools.count()

    def drain() -> None:
        while (k := next(counter)) < len(parts):
            work(*parts[k])

    futures = [_pool(helpers).submit(drain) for _ in range(helpers)] if helpers > 0 else []
    drain()
    for future in futures:
        future.result()


def spread(kernel: Callable[..., Any], count: int, *arguments: Any, least: int = 1024) -> None:
    """``kernel(begin, end, *arguments)`` over the range [0, count) on all threads, at least ``least`` to a part."""
    parts = max(1, min(2 * threads(), count // least))
    edges = [count * k // parts for k in range(parts + 1)]
    run(lambda begin, end: kernel(begin, end, *arguments), list(itertools.pairwise(edges)))


def spread_tiles(kernel: Callable[..., Any], tiles: np.ndarray, *arguments: Any) -> None:
    """``kernel(tiles[...], *arguments)`` with the tiles dealt out in small parts, as lists differ much in length."""
    parts = np.array_split(tiles, max(1, min(8 * threads(), len(tiles) // 4)))
    run(lambda part: kernel(part, *arguments), [(part,) for part in parts])
