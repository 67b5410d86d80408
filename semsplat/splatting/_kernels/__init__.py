"""Compiled CPU kernels. The only file that imports numba.

Kernels release the interpreter lock and are split over threads by :mod:`.split`, not by numba: any number of threads
may call them at once (training while pages render), there is no threading layer to crash and nothing that a forked
child could inherit broken. Compiled code is cached on disk.

Besides numbers and arrays, kernels know one more type, :class:`Vector`: LANES numbers that live in a register. It is
written here in the compiler's own terms, because loops over LANES array elements do not become vector instructions by
themselves: the compiler cannot know that arrays do not overlap.
"""

import operator
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from .split import array as array
from .split import spread as spread
from .split import spread_tiles as spread_tiles

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}  # not nnan and ninf: kernels test for both
FLAGS = ("contract",)  # of vectors: multiply and add may become one
LANES = 16  # numbers of a vector, one AVX-512 register of float32; tiles are LANES x LANES pixels


def jit(function: Callable) -> Any:
    """Compile a kernel: no Python inside, no interpreter lock, cached on disk."""
    return numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")(function)


def inline(function: Callable) -> Any:
    """Compile a helper that disappears into the kernel that calls it."""
    return numba.njit(nogil=True, fastmath=FAST, error_model="numpy", forceinline=True)(function)


class Vector(types.Type):
    """LANES numbers in one register (or in a few, where registers are smaller)."""

    def __init__(self, dtype):
        super().__init__(f"Vector({dtype})")
        self.dtype = dtype


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = ir.IntType(1) if vector.dtype == types.boolean else manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, LANES))


def _broadcast(context, builder, given, given_type, vector):
    """A number as a vector of LANES times the same; a vector as it is."""
    if isinstance(given_type, Vector):
        return given
    number = context.cast(builder, given, given_type, vector.dtype)
    nothing = ir.Constant(context.get_value_type(vector), ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _operator(symbol: Callable, write: Callable, compares: bool = False) -> None:
    """Teach kernels an operator between two vectors, or a vector and a number: ``write(builder, x, y)``."""

    class Template(AbstractTemplate):
        key = symbol

        def generic(self, arguments, keywords):
            vectors = {t for t in arguments if isinstance(t, Vector)}
            known = all(isinstance(t, (Vector, types.Number)) for t in arguments)
            if len(vectors) != 1 or not known:
                return None
            return signature(Vector(types.boolean) if compares else vectors.pop(), *arguments)

    infer_global(symbol)(Template)

    def lower(context, builder, typed, arguments):
        vector = next(t for t in typed.args if isinstance(t, Vector))
        given = zip(arguments, typed.args, strict=True)
        return write(builder, *(_broadcast(context, builder, x, kind, vector) for x, kind in given))

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(symbol, *kinds)(lower)


_operator(operator.add, lambda builder, x, y: builder.fadd(x, y, flags=FLAGS))
_operator(operator.sub, lambda builder, x, y: builder.fsub(x, y, flags=FLAGS))
_operator(operator.mul, lambda builder, x, y: builder.fmul(x, y, flags=FLAGS))
_operator(operator.truediv, lambda builder, x, y: builder.fdiv(x, y))
_operator(operator.gt, lambda builder, x, y: builder.fcmp_ordered(">", x, y), compares=True)
_operator(operator.ge, lambda builder, x, y: builder.fcmp_ordered(">=", x, y), compares=True)
_operator(operator.lt, lambda builder, x, y: builder.fcmp_ordered("<", x, y), compares=True)
_operator(operator.and_, lambda builder, x, y: builder.and_(x, y))


def _pointer(context, builder, array_type, array, offset):
    """Address of LANES numbers of a one-dimensional array, and its alignment in bytes."""
    data = context.make_array(array_type)(context, builder, array).data
    vector = context.get_value_type(Vector(array_type.dtype))
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer()), array_type.dtype.bitwidth // 8


def _call(builder, name, *arguments, flags=()):
    """One of the compiler's own vector functions; gives what its first argument is."""
    suffix = {"float": "f32", "double": "f64"}[str(arguments[-1].type.element)]
    function = ir.FunctionType(arguments[0].type, [a.type for a in arguments])
    function = cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.v{LANES}{suffix}")
    return builder.call(function, arguments, fastmath=flags)


@intrinsic
def load(typing_context, array, offset):
    """``array[offset : offset + LANES]`` of a one-dimensional array."""

    def generate(context, builder, typed, arguments):
        pointer, align = _pointer(context, builder, typed.args[0], *arguments)
        return builder.load(pointer, align=align)

    return Vector(array.dtype)(array, types.intp), generate


@intrinsic
def store(typing_context, array, offset, vector):
    """``array[offset : offset + LANES] = vector``."""

    def generate(context, builder, typed, arguments):
        pointer, align = _pointer(context, builder, typed.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def fill(typing_context, number):
    """LANES times the same number."""

    def generate(context, builder, typed, arguments):
        return _broadcast(context, builder, arguments[0], number, typed.return_type)

    return Vector(number)(number), generate


@intrinsic
def where(typing_context, mask, vector, other):
    """The vector where the mask is set, elsewhere ``other``, a vector or a number."""

    def generate(context, builder, typed, arguments):
        return builder.select(*arguments[:2], _broadcast(context, builder, arguments[2], other, vector))

    return vector(mask, vector, other), generate


@intrinsic
def at_most(typing_context, vector, limit):
    """The vector, cut off at a number; the number where the vector is not a number."""

    def generate(context, builder, typed, arguments):
        limits = _broadcast(context, builder, arguments[1], limit, vector)
        return builder.select(builder.fcmp_ordered("<", arguments[0], limits), arguments[0], limits)

    return vector(vector, limit), generate


@intrinsic
def magnitude(typing_context, vector):
    """Absolute values."""

    def generate(context, builder, typed, arguments):
        return _call(builder, "fabs", arguments[0])

    return vector(vector), generate


@intrinsic
def total(typing_context, vector):
    """Sum of the lanes."""

    def generate(context, builder, typed, arguments):
        nothing = ir.Constant(arguments[0].type.element, 0.0)
        return _call(builder, "vector.reduce.fadd", nothing, arguments[0], flags=("reassoc", "nsz"))

    return vector.dtype(vector), generate


@intrinsic
def any_lane(typing_context, mask):
    """Whether the mask is set anywhere."""

    def generate(context, builder, typed, arguments):
        bits = builder.bitcast(arguments[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(mask), generate


@intrinsic
def lowest_bit(typing_context, bits):
    """Place of the lowest bit that is set in a number that is not zero."""

    def generate(context, builder, typed, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return bits(bits), generate


@intrinsic
def float_of(typing_context, bits):
    """The float32 that 32 bits are."""

    def generate(context, builder, typed, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), generate


@intrinsic
def bits_of(typing_context, number):
    """The 32 bits of a float32."""

    def generate(context, builder, typed, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


_POWERS_OF_TWO = (  # 2^f = sum of f^k c_k for |f| <= 1/2
    1.0,
    0.6931471805599453,
    0.2402265069591007,
    0.05550410866482158,
    0.009618129107628477,
    0.0013333558146428443,
    0.00015403530393381608,
)


@intrinsic
def exp_negative(typing_context, powers):
    """exp(-power) for powers in [0, 80]: exact in float64, relative error below 1e-6 in float32, without a branch."""

    def generate(context, builder, typed, arguments):
        vector, whole_vector = arguments[0].type, ir.VectorType(ir.IntType(32), LANES)
        if powers.dtype == types.float64:
            return _call(builder, "exp", builder.fneg(arguments[0]))

        def number(value):
            return ir.Constant(vector, [float(np.float32(value))] * LANES)

        t = builder.fmul(arguments[0], number(-1.4426950408889634))
        whole = builder.fptosi(builder.fsub(t, number(0.5)), whole_vector)  # towards zero, t <= 0: the nearest integer
        f, series = builder.fsub(t, builder.sitofp(whole, vector)), number(_POWERS_OF_TWO[-1])
        for coefficient in _POWERS_OF_TWO[-2::-1]:
            series = builder.fadd(builder.fmul(series, f, flags=FLAGS), number(coefficient), flags=FLAGS)
        bias, mantissa = (ir.Constant(whole_vector, [n] * LANES) for n in (127, 23))
        scale = builder.bitcast(builder.shl(builder.add(whole, bias), mantissa), vector)
        return builder.fmul(series, scale)

    return powers(powers), generate
