"""``.spz`` (Niantic, MIT; github.com/nianticlabs/spz): versions 2 and 3 in one gzip stream, 4 in zstd streams.

Both hold the same six arrays, one after the other, n Gaussians each:

| array | bytes a Gaussian | quantisation |
|---|---|---|
| means | 3 x 3 | fixed point of 24 bits, ``fractional_bits`` of them after the point |
| opacity | 1 | 1/255 |
| colour | 3 | sh_0 = (byte / 255 - 0.5) / 0.15: 1/38 a step, within +-3.33 |
| log scale | 3 | byte / 16 - 10: 1/16 a step, from -10 to 5.94 |
| rotation | 3 or 4 | version 2: x y z of 8 bits, w >= 0; since 3: the smallest three, a sign and 9 bits each |
| rest of sh | 3 x (3, 8, 15 or 24) | (byte - 128) / 128; written with 5 bits in degree 1, 4 bits above, within +-1 |

Versions 2 and 3: a header of 16 bytes (magic, version, count, degree, fractional bits, flags, reserved), then the
arrays. Version 4: a bare header of 32 bytes (the last of the former is now the number of streams, then the place of
the table of contents), the table (compressed and plain size of each stream), then one zstd frame per array.

The axes of a file are right, up, back; those of a 3DGS .ply right, down, front. We turn by 180 degrees about x in both
directions, as every converter does, so the same scene in both formats is the same table here.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..files import replacing
from ..gaussians import Gaussians
from . import reading
from .reading import Reading, Tolerance

VERSION = 3  # written; more programs read it than 4
COLOR_STEP = 1.0 / (255.0 * 0.15)
SH_STEPS = (8, 16)  # in 1/128: degree 1, degrees above
LEAST_LOG_SCALE, LARGEST_LOG_SCALE = -10.0, 255.0 / 16.0 - 10.0
MOST_FRACTIONAL_BITS = 20
_HEADER = struct.Struct("<4sIIBBBB")
_NGSP = struct.Struct("<4sIIBBBBI12x")
_STREAM = struct.Struct("<QQ")
_REST = (0, 3, 8, 15, 24)  # coefficients above degree 0, by degree; degree 4 is read and left out
_ANTIALIASED, _EXTENDED = 1, 2  # flags
_SIGNS = np.array([1, -1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1], np.float32)  # of Y_k(x, -y, -z)
_FLIP = np.array([1, -1, -1], np.float32)


@dataclass(frozen=True)
class _Header:
    version: int
    count: int
    degree: int
    fractional_bits: int
    flags: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of the six arrays."""
        rotation = 3 if self.version == 2 else 4
        return tuple(self.count * width for width in (9, 1, 3, 3, rotation, 3 * _REST[self.degree]))


def read(path: str | Path) -> Gaussians:
    """The Gaussians of an .spz, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read an .spz of version 2, 3 or 4; notes tell what of it is not used.

    Raises:
        InputError: something else, another version, truncated, longer than it says, or it claims too much.
    """
    data = reading.contents(path)
    if data[:2] == b"\x1f\x8b":
        header, arrays = _inflate(path, data)
    elif data[:4] == b"NGSP":
        header, arrays = _unpack_streams(path, data)
    else:
        raise InputError(f"{path} is not an SPZ file: it begins with {data[:4]!r}, neither gzip nor NGSP.")
    gaussians, _ = _decode(header, arrays)
    notes = []
    if header.flags & _ANTIALIASED:
        notes.append(f"{path}: it was fitted with antialiasing, which is not drawn here: thin parts look bolder.")
    if header.degree == 4:
        notes.append(f"{path}: its spherical harmonics of degree 4 were left out.")
    return reading.finished(path, gaussians, tuple(notes))


def write(path: str | Path, gaussians: Gaussians, version: int = VERSION) -> None:
    """Write an .spz of version 3 or 4; features are left out.

    Raises:
        InputError: a number is not finite, a mean is beyond 8 million units, or the place cannot be written.
        ValueError: another version.
    """
    if version not in (3, 4):
        raise ValueError(f"SPZ of version 3 or 4 can be written, not {version}.")
    table = reading.for_writing(path, gaussians)
    bits = fractional_bits(table)
    if bits < 0:
        raise InputError(
            f"Cannot write {path}: a mean lies {float(table.means.abs().max()):.3g} units away; SPZ ends at 8e6."
        )
    arrays = [array.tobytes() for array in _encode(table, bits)]
    if version == 3:
        header = _HEADER.pack(b"NGSP", 3, len(table), table.sh_degree, bits, 0, 0)
        packed = [gzip.compress(b"".join([header, *arrays]), mtime=0)]
    else:
        packed = _pack_streams(len(table), table.sh_degree, bits, [array for array in arrays if array])
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(packed)


def fractional_bits(gaussians: Gaussians) -> int:
    """Bits after the point, as many as the farthest mean allows and at most MOST_FRACTIONAL_BITS; < 0: none fit."""
    farthest = float(gaussians.means.abs().max()) if len(gaussians) else 0.0
    room = (2**23 - 1) / max(farthest, 1e-6)
    return min(MOST_FRACTIONAL_BITS, math.floor(math.log2(room)))


def representable(gaussians: Gaussians) -> Gaussians:
    """What of these Gaussians fits into the format, before its quantisation."""
    signs = torch.from_numpy(_SIGNS[: gaussians.sh.shape[1], None])
    sh = gaussians.sh[:, :1].clamp(-0.5 / 0.15, 0.5 / 0.15)
    rest = (gaussians.sh[:, 1:] * signs[1:]).clamp(-1.0, 127.0 / 128.0) * signs[1:]
    log_scales = gaussians.log_scales.clamp(LEAST_LOG_SCALE, LARGEST_LOG_SCALE)
    return gaussians.replace(sh=torch.cat([sh, rest], dim=1), log_scales=log_scales)


def tolerance(gaussians: Gaussians) -> Tolerance:
    """Largest error of a round trip of ``representable`` Gaussians."""
    rest = torch.from_numpy(_sh_steps(gaussians.sh.shape[1])) * (0.501 / 128.0)
    sh = torch.cat([torch.full((1, 1), 0.501 * COLOR_STEP), rest])
    step = 2.0 ** -fractional_bits(gaussians)
    far = float(gaussians.means.abs().max()) if len(gaussians) else 0.0
    means = torch.tensor(0.501 * step + 1e-7 * far)
    return Tolerance(means, torch.tensor(0.501 / 16.0), sh, 0.501 / 255.0, 0.003)


def _checked(path: str | Path, header: _Header, held: int, versions: tuple[int, ...]) -> None:
    if header.version not in versions:
        raise InputError(
            f"{path} is SPZ of version {header.version} {'in' if versions == (2, 3) else 'without'} gzip; "
            f"versions 2 and 3 in gzip and 4 without can be read."
        )
    if header.degree >= len(_REST) or header.fractional_bits > 30:
        raise InputError(
            f"{path} is broken: its SPZ header says degree {header.degree} and {header.fractional_bits} bits."
        )
    reading.check_expansion(path, sum(header.sizes), held)


def _inflate(path: str | Path, data: bytes) -> tuple[_Header, list[bytes]]:
    """Header and arrays of versions 2 and 3; nothing beyond the size that the header states is inflated."""
    stream = zlib.decompressobj(31)
    try:
        start = stream.decompress(data, _HEADER.size)
        if len(start) < _HEADER.size or start[:4] != b"NGSP":
            raise InputError(f"{path} is gzip, but no SPZ: it does not begin with NGSP inside.")
        _, version, count, degree, bits, flags, _ = _HEADER.unpack(start)
        header = _Header(version, count, degree, bits, flags)
        _checked(path, header, len(data), (2, 3))
        needed = sum(header.sizes)
        body = stream.decompress(stream.unconsumed_tail, needed + 1)
    except zlib.error as error:
        raise InputError(f"{path} is broken: its gzip stream cannot be read ({error}).") from error
    extended = bool(flags & _EXTENDED)
    if len(body) < needed or not (stream.eof or extended):
        if len(body) <= needed:
            raise InputError(f"{path} is truncated: {count:,} Gaussians need {needed:,} bytes, it holds {len(body):,}.")
        raise InputError(f"{path} is broken: it goes on after the {count:,} Gaussians that its header promises.")
    if stream.unused_data or (len(body) > needed and not extended):
        raise InputError(f"{path} is broken: it goes on after the {count:,} Gaussians that its header promises.")
    return header, _cut(body, header.sizes)


def _cut(body: bytes, sizes: tuple[int, ...]) -> list[bytes]:
    ends = np.cumsum(sizes).tolist()
    return [body[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _unpack_streams(path: str | Path, data: bytes) -> tuple[_Header, list[bytes]]:
    """Header and arrays of version 4. Extensions between header and table are skipped."""
    if len(data) < _NGSP.size:
        raise InputError(f"{path} is truncated: {len(data)} bytes are no SPZ header.")
    _, version, count, degree, bits, flags, streams, place = _NGSP.unpack_from(data)
    header = _Header(version, count, degree, bits, flags)
    _checked(path, header, len(data), (4,))
    wanted = [size for size in header.sizes if size]
    offset = place + streams * _STREAM.size
    if streams != len(wanted) or place < _NGSP.size or offset > len(data):
        raise InputError(f"{path} is broken: its table of {streams} streams at byte {place} does not fit.")
    arrays = []
    for i, size in enumerate(wanted):
        packed, plain = _STREAM.unpack_from(data, place + i * _STREAM.size)
        if plain != size or packed > len(data) - offset:
            raise InputError(f"{path} is broken: stream {i} is {packed:,} bytes for {plain:,}, {size:,} are needed.")
        arrays.append(_decompressed(path, data[offset : offset + packed], size))
        offset += packed
    if offset != len(data):
        raise InputError(f"{path} is broken: {len(data) - offset} bytes follow its last stream.")
    return header, [arrays.pop(0) if size else b"" for size in header.sizes]


def _decompressed(path: str | Path, packed: bytes, size: int) -> bytes:
    """One zstd frame; never more than one byte above ``size`` is made of it."""
    import zstandard

    try:
        stream = zstandard.ZstdDecompressor().stream_reader(packed)
        plain = stream.read(size + 1)
    except zstandard.ZstdError as error:
        raise InputError(f"{path} is broken: a zstd stream cannot be read ({error}).") from error
    if len(plain) != size:
        more = "more than" if len(plain) > size else f"{len(plain):,} of"
        raise InputError(f"{path} is broken: a stream holds {more} the {size:,} bytes that its header promises.")
    return plain


def _pack_streams(count: int, degree: int, bits: int, arrays: list[bytes]) -> list[bytes]:
    import zstandard

    packed = [zstandard.ZstdCompressor(level=12).compress(array) for array in arrays]
    header = _NGSP.pack(b"NGSP", 4, count, degree, bits, 0, len(arrays), _NGSP.size)
    table = [_STREAM.pack(len(small), len(array)) for small, array in zip(packed, arrays, strict=True)]
    return [header, *table, *packed]


def _decode(header: _Header, arrays: list[bytes]) -> tuple[Gaussians, int]:
    n = header.count
    mean, opacity, color, scale, rotation, rest = (np.frombuffer(array, np.uint8) for array in arrays)
    parts = mean.reshape(n, 3, 3).astype(np.int32)
    fixed = (parts[..., 0] << 8 | parts[..., 1] << 16 | parts[..., 2] << 24) >> 8  # the last shift carries the sign
    sh = np.empty((n, 1 + min(_REST[header.degree], 15), 3), np.float32)
    sh[:, 0] = (color.reshape(n, 3) - np.float32(127.5)) * np.float32(COLOR_STEP)
    sh[:, 1:] = ((rest.reshape(n, _REST[header.degree], 3).astype(np.float32) - 128.0) / 128.0)[:, : sh.shape[1] - 1]
    sh *= _SIGNS[: sh.shape[1], None]
    quats = _first_three(rotation.reshape(n, 3)) if header.version == 2 else _packed_rotations(rotation.view("<u4"))
    quats[:, 1:] *= _FLIP
    return reading.build(
        (fixed * 2.0**-header.fractional_bits) * _FLIP,
        quats,
        scale.reshape(n, 3) / np.float32(16.0) - 10.0,
        reading.logits_of(opacity / 255.0),
        sh,
    )


def _first_three(parts: np.ndarray) -> np.ndarray:
    """Unit quaternions wxyz of bytes x y z."""
    xyz = parts / 127.5 - 1.0
    w = np.sqrt(np.clip(1.0 - (xyz**2).sum(1, keepdims=True), 0.0, None))
    quats = np.concatenate([w, xyz], axis=1)
    return quats / np.linalg.norm(quats, axis=1, keepdims=True)


def _packed_rotations(words: np.ndarray) -> np.ndarray:
    """Unit quaternions wxyz: index of the largest of xyzw in the upper two bits, then a sign and 9 bits, thrice."""
    fields = np.stack([(words >> shift) & 1023 for shift in (20, 10, 0)], axis=1)
    three = (fields & 511) * (math.sqrt(0.5) / 511.0) * np.where(fields & 512, -1.0, 1.0)
    return np.roll(reading.fourth(three, (words >> 30).astype(np.int64)), 1, axis=1)


def _encode(table: Gaussians, bits: int) -> list[np.ndarray]:
    """The six arrays."""
    fixed = np.rint(table.means.double().numpy() * _FLIP * 2.0**bits).astype("<i4")
    quats = table.quats.numpy().astype(np.float64)
    quats[:, 1:] *= _FLIP
    three, largest = reading.smallest_three(np.roll(quats, -1, axis=1))
    fields = np.rint(np.abs(three) * (511.0 / math.sqrt(0.5))).astype(np.uint32).clip(0, 511)
    fields |= (three < 0).astype(np.uint32) << 9
    words = largest.astype(np.uint32) << 30 | fields[:, 0] << 20 | fields[:, 1] << 10 | fields[:, 2]
    sh = table.sh.numpy() * _SIGNS[: table.sh.shape[1], None]
    steps = _sh_steps(sh.shape[1])
    rest = np.clip(np.rint(sh[:, 1:] * (128.0 / steps)) * steps + 128.0, 0, 255)
    return [
        fixed.view(np.uint8).reshape(len(table), 3, 4)[..., :3],
        reading.to_bytes(table.opacities.numpy() * 255.0),
        reading.to_bytes(sh[:, 0] / COLOR_STEP + 127.5),
        reading.to_bytes((table.log_scales.numpy() + 10.0) * 16.0),
        words.astype("<u4"),
        rest.astype(np.uint8),
    ]


def _sh_steps(coefficients: int) -> np.ndarray:
    """Steps of the coefficients above degree 0 in 1/128, (k - 1, 1)."""
    steps = np.full((coefficients - 1, 1), SH_STEPS[1], np.float32)
    steps[:3] = SH_STEPS[0]
    return steps
