"""The rival of cpu_step.py: a tile rasterizer in plain torch with autograd, as one would write it in an afternoon.

Projection, spherical harmonics and loss are the readable torch definitions of the package; lists of tiles are made with
vectorised torch, and tiles of similar length are composited together, all their pixels and Gaussians at once.
"""

import torch
from torch import Tensor

from semsplat.splatting import sh
from semsplat.splatting.blend import Limits
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.losses import photometric_definition
from semsplat.splatting.project import Footprints, project

TILE = 8  # pixels; 16 was slower
BATCH = 2**18  # pixel-Gaussian pairs composited at once; larger batches fall out of the cache
RATES = {"means": 1e-4, "quats": 1e-3, "log_scales": 5e-3, "logit_opacities": 5e-2, "sh": 2.5e-3}


def render(gaussians: Gaussians, camera: Camera) -> tuple[Tensor, Tensor]:
    """(h, w, 3) colours and (h, w, 1) coverage."""
    limits = Limits()
    footprints = project(gaussians, camera, limits.alpha_min)
    colors = sh.colors(gaussians.means, gaussians.sh, camera.center)
    values = torch.cat([colors, torch.ones_like(colors[:, :1])], dim=1)
    with torch.no_grad():
        lists, lengths = tile_lists(footprints, camera, limits)
    image = composite(footprints, values, lists, lengths, camera, limits)
    return image[..., :3], image[..., 3:]


def tile_lists(footprints: Footprints, camera: Camera, limits: Limits) -> tuple[Tensor, Tensor]:
    """Rows of all tiles' Gaussians, tile by tile and front to back, and how many each tile has."""
    across, down = -(-camera.width // TILE), -(-camera.height // TILE)
    level = 2 * (footprints.opacities / limits.alpha_min).clamp_min(1).log()
    half = (footprints.covariances[:, ::2] * level[:, None]).sqrt()
    size = torch.tensor([across, down])
    first = ((footprints.centers - half) / TILE).floor().long().clamp_min(0)
    last = torch.minimum(((footprints.centers + half) / TILE).floor().long() + 1, size)
    counts = torch.where(footprints.visible, (last - first).clamp_min(0).prod(1), 0)
    order = footprints.depths.argsort(stable=True)
    rows = order.repeat_interleave(counts[order])
    starts = counts[order].cumsum(0) - counts[order]
    place = torch.arange(len(rows)) - starts.repeat_interleave(counts[order])
    columns = (last - first)[rows, 0].clamp_min(1)
    tiles = (first[rows, 1] + place // columns) * across + first[rows, 0] + place % columns
    tiles, sorting = tiles.sort(stable=True)
    return rows[sorting], tiles.bincount(minlength=across * down)


def composite(
    footprints: Footprints, values: Tensor, lists: Tensor, lengths: Tensor, camera: Camera, limits: Limits
) -> Tensor:
    """Tiles of similar length in batches; padding points at an extra Gaussian without opacity."""
    across, down = -(-camera.width // TILE), -(-camera.height // TILE)
    columns = [footprints.centers, footprints.conics, footprints.opacities[:, None], values]
    table = torch.nn.functional.pad(torch.cat(columns, dim=1), (0, 0, 0, 1))
    starts = lengths.cumsum(0) - lengths
    by_length = lengths.argsort(descending=True)
    pictures, at = [], 0
    while at < len(by_length) and (longest := int(lengths[by_length[at]])) > 0:
        batch = by_length[at : at + max(1, BATCH // (longest * TILE * TILE))]
        at += len(batch)
        k = torch.arange(longest)
        inside = k < lengths[batch, None]
        rows = torch.where(inside, lists[(starts[batch, None] + k).clamp_max(len(lists) - 1)], len(values))
        pictures.append(tiles_of(table[rows], batch, across, limits))
    empty = values.new_zeros(len(by_length) - at, TILE * TILE, values.shape[1])
    flat = torch.cat([*pictures, empty])[by_length.argsort()]
    image = flat.reshape(down, across, TILE, TILE, -1).permute(0, 2, 1, 3, 4)
    return image.reshape(down * TILE, across * TILE, -1)[: camera.height, : camera.width]


def tiles_of(table: Tensor, tiles: Tensor, across: int, limits: Limits) -> Tensor:
    """(tiles, pixels, channels) from (tiles, Gaussians, 6 + channels) rows of centre, conic, opacity, values."""
    corners = torch.stack([tiles % across, tiles // across], dim=1) * TILE + 0.5
    x, y, a, b, c, opacity = table[..., :6].unbind(-1)
    steps = torch.arange(TILE)[:, None]
    dx = (corners[:, :1] + steps.T)[..., None] - x[:, None]  # (tiles, TILE, Gaussians), as columns and rows separate
    dy = (corners[:, 1:] + steps.T)[..., None] - y[:, None]
    power = (b[:, None] * dy)[:, :, None] * dx[:, None] + (0.5 * a[:, None] * dx * dx)[:, None]
    power = (power + (0.5 * c[:, None] * dy * dy)[:, :, None]).flatten(1, 2)
    alpha = (opacity[:, None] * torch.exp(-power)).clamp_max(limits.alpha_max)
    alpha = torch.where((alpha >= limits.alpha_min) & (power >= 0), alpha, 0.0)
    behind = torch.cumprod(1 - alpha, dim=2)
    before = torch.cat([torch.ones_like(behind[..., :1]), behind[..., :-1]], dim=2)
    weights = torch.where(behind > limits.transmittance_min, before * alpha, 0.0)
    return weights @ table[..., 6:]


class Rival:
    """Whole training steps."""

    def __init__(self, gaussians: Gaussians) -> None:
        self.columns = {name: getattr(gaussians, name).detach().clone().requires_grad_() for name in RATES}
        self.gaussians = gaussians.replace(**self.columns)
        groups = [{"params": [self.columns[name]], "lr": rate} for name, rate in RATES.items()]
        self.optimizer = torch.optim.Adam(groups, eps=1e-15, fused=True)

    def step(self, camera: Camera, photo: Tensor) -> Tensor:
        """Draw, compare, go back, move; gives the picture."""
        self.optimizer.zero_grad()
        image, _ = render(self.gaussians, camera)
        photometric_definition(image, photo).backward()
        self.optimizer.step()
        return image.detach()
