"""What we use of gsplat, whichever version is there: 1.5.3, or 1.6. The only file that imports gsplat."""

import functools
import importlib.metadata
import importlib.util
import inspect
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ._cuda_tools import check_installed, check_tools, gist, missing, needs_build
from .blend import MANY
from .camera import Camera
from .errors import DeviceError
from .gaussians import Gaussians
from .project import NEAR

CHUNK = MANY  # channels of one pass
PASSES = (1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33)  # numbers of channels that gsplat is compiled for, up to a pass
ALPHA_MAX = 0.999  # of 1.5, which does not say it; 1.6 does
TENSOR_CORES = "SEMSPLAT_TENSOR_CORES"  # environment: 0 leaves them alone


@dataclass(frozen=True)
class Operations:
    """gsplat's functions, with the signatures of 1.5.3, and what differs between versions."""

    project: Callable[..., Any]  # fully_fused_projection
    intersect: Callable[..., Any]  # isect_tiles
    offsets: Callable[..., Any]  # isect_offset_encode
    rasterize: Callable[..., Any]  # rasterize_to_pixels
    alpha_max: float = ALPHA_MAX  # alphas are cut off here
    exact: bool = False  # intersect takes conics and opacities, and leaves out tiles that only a box touches
    channels: tuple[int, ...] = PASSES  # compiled numbers; 1.6 does not pad to them
    tensor_cores: bool = False  # values of more than a pass go through Triton


@functools.cache
def operations() -> Operations:
    """gsplat's functions, imported; its CUDA code compiled if it is not yet.

    Raises:
        DeviceError: gsplat, nvcc or a compiler is missing, or the compilation fails; one sentence with the remedy.
    """
    check_installed()
    if needs_build():
        check_tools()
    with warnings.catch_warnings():  # of the compilers, about code that is not ours
        warnings.simplefilter("ignore")
        try:
            from gsplat.cuda import _backend
        except Exception as error:
            raise DeviceError(f"gsplat's CUDA code could not be compiled or loaded: {gist(error)}") from error
    import gsplat

    says = getattr(gsplat, "has_3dgs", None)  # of 1.6
    if not (says() if says is not None else _backend._C is not None):
        raise DeviceError(missing("nvcc"))
    return adapted(gsplat, tensor_cores=why_no_tensor_cores() is None)


def adapted(gsplat: Any, tensor_cores: bool = False) -> Operations:
    """The functions of a gsplat module, as its version has them."""
    constants = getattr(getattr(gsplat, "cuda", None), "_constants", None)
    exact = {"conics", "opacities"} <= inspect.signature(gsplat.isect_tiles).parameters.keys()
    said = os.environ.get("NUM_CHANNELS", "") if exact else ""  # 1.6 is built for these, when it is set
    numbers = tuple(sorted({int(n) for n in said.split(",") if n.strip().isdigit() and 0 < int(n) <= PASSES[-1]}))
    return Operations(
        gsplat.fully_fused_projection,
        gsplat.isect_tiles,
        gsplat.isect_offset_encode,
        gsplat.rasterize_to_pixels,
        alpha_max=float(getattr(constants, "MAX_ALPHA", ALPHA_MAX)),
        exact=exact,
        channels=numbers or PASSES,
        tensor_cores=tensor_cores,
    )


def why_no_tensor_cores() -> str | None:
    """What keeps values of many channels from tensor cores; None when nothing does."""
    if os.environ.get(TENSOR_CORES) == "0":
        return f"{TENSOR_CORES}=0"
    if torch.cuda.is_available() and torch.cuda.get_device_capability()[0] < 8:
        return f"{torch.cuda.get_device_name()} has none for bf16"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    return None


def description() -> str:
    """Which rasterizer draws on the GPU, in a few words for the log."""
    why = why_no_tensor_cores()
    try:
        version = importlib.metadata.version("gsplat")
    except importlib.metadata.PackageNotFoundError:
        return "gsplat, which is not installed"
    if why is not None:
        return f"gsplat {version}, features in passes of {CHUNK} channels ({why})"
    triton = importlib.metadata.version("triton")
    return f"gsplat {version}, features of more than {CHUNK} channels on tensor cores (Triton {triton})"


@functools.cache
def passes(channels: int, compiled: tuple[int, ...] = PASSES) -> tuple[int, ...]:
    """Compiled numbers of channels that sum to ``channels``, as few as there can be: 64 -> (32, 32), 35 -> (33, 2).

    Where no sum is exact, the last is the least one that the rest fits in.
    """
    if channels <= 0:
        return ()
    if channels in compiled:
        return (channels,)
    most = compiled[-1]
    if channels > 2 * most:
        step = CHUNK if CHUNK in compiled else most
        return step, *passes(channels - step, compiled)
    ways = [(first, *passes(channels - first, compiled)) for first in reversed(compiled) if first < channels]
    ways += [(first,) for first in compiled if first >= channels][:1]
    return min(ways, key=lambda way: (sum(way) != channels, len(way)))


def split(values: Tensor, compiled: tuple[int, ...]) -> list[Tensor]:
    """The columns of ``values`` in passes; zeros in the last where no pass is as narrow as what is left."""
    sizes = passes(values.shape[1], compiled)
    extra = sum(sizes) - values.shape[1]
    return list((torch.nn.functional.pad(values, (0, extra)) if extra else values).split(sizes, dim=1))


def rendered(gaussians: Gaussians, camera: Camera, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
    """W @ values by gsplat's own ``rasterization``, as its users call it: the rival of benchmarks, not used to draw."""
    operations()
    import gsplat

    g, view, lens = gaussians, camera.world_to_camera, camera.intrinsics
    cameras = view.to(g.means)[None], lens.to(g.means)[None], camera.width, camera.height
    return gsplat.rasterization(g.means, g.quats, g.scales, g.opacities, values, *cameras, near_plane=NEAR)[0][0]
