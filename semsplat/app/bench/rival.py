"""The rivals: a tile rasterizer in plain torch with autograd, as one would write it in an afternoon, on any device; and
on NVIDIA GPUs gsplat as its users call it.

Projection, spherical harmonics and loss are the readable torch definitions of the package; lists of tiles are made with
vectorised torch, and tiles of similar length are composited together, all their pixels and Gaussians at once. Pictures
are ours to 1e-4 (:func:`.steps.agreement`).
"""

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...splatting import sh
from ...splatting.blend import Limits
from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.losses import photometric_definition
from ...splatting.project import Footprints, project

TILE = 8  # pixels; 16 was slower
BATCH = 2**18  # pixel-Gaussian pairs composited at once; larger batches fall out of the cache
Draw = Callable[[Gaussians, Camera, Tensor], Tensor]
RATES = {"means": 1e-4, "quats": 1e-3, "log_scales": 5e-3, "logit_opacities": 5e-2, "sh": 2.5e-3}


def render(gaussians: Gaussians, camera: Camera, draws: Draw | None = None) -> tuple[Tensor, Tensor]:
    """(h, w, 3) colours and (h, w, 1) coverage."""
    colors = sh.colors(gaussians.means, gaussians.sh, camera.center)
    image = (draws or draw)(gaussians, camera, torch.cat([colors, torch.ones_like(colors[:, :1])], dim=1))
    return image[..., :3], image[..., 3:]


def draw(gaussians: Gaussians, camera: Camera, values: Tensor) -> Tensor:
    """The (h, w, c) picture of values (n, c). Tiles of similar length come in batches."""
    across, down = -(-camera.width // TILE), -(-camera.height // TILE)
    padded = torch.nn.functional.pad(values, (0, 0, 0, 1))
    tiles, pictures = [], []
    for batch, rows, weights in batches(gaussians, camera):
        tiles.append(batch)
        pictures.append(weights @ padded[rows])
    flat = values.new_zeros(across * down, TILE * TILE, values.shape[1])
    if tiles:
        flat = flat.index_copy(0, torch.cat(tiles), torch.cat(pictures))
    image = flat.reshape(down, across, TILE, TILE, -1).permute(0, 2, 1, 3, 4)
    return image.reshape(down * TILE, across * TILE, -1)[: camera.height, : camera.width]


def matrix(gaussians: Gaussians, camera: Camera) -> tuple[Tensor, Tensor]:
    """(W, its transpose) as torch's sparse matrices (CSR): what one keeps to draw the same view again and again."""
    across, found = -(-camera.width // TILE), []
    with torch.no_grad():
        for batch, rows, weights in batches(gaussians, camera):
            tile, pixel, k = weights.nonzero(as_tuple=True)
            x = batch[tile] % across * TILE + pixel % TILE
            y = batch[tile] // across * TILE + pixel // TILE
            inside = (x < camera.width) & (y < camera.height)
            places = torch.stack([y * camera.width + x, rows[tile, k]])
            found.append((places[:, inside], weights[tile, pixel, k][inside]))
    size = camera.width * camera.height, len(gaussians)
    places, weights = torch.cat([one for one, _ in found], dim=1), torch.cat([one for _, one in found])
    return _stored(places, weights, size), _stored(places.flip(0), weights, (size[1], size[0]))


def _stored(places: Tensor, weights: Tensor, size: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_coo_tensor(places, weights, size, check_invariants=False).coalesce().to_sparse_csr()


def tile_lists(footprints: Footprints, camera: Camera, limits: Limits) -> tuple[Tensor, Tensor]:
    """Rows of all tiles' Gaussians, tile by tile and front to back, and how many each tile has."""
    across, down = -(-camera.width // TILE), -(-camera.height // TILE)
    level = 2 * (footprints.opacities / limits.alpha_min).clamp_min(1).log()
    half = (footprints.covariances[:, ::2] * level[:, None]).sqrt()
    size = torch.tensor([across, down], device=level.device)
    first = ((footprints.centers - half) / TILE).floor().long().clamp_min(0)
    last = torch.minimum(((footprints.centers + half) / TILE).floor().long() + 1, size)
    counts = torch.where(footprints.visible, (last - first).clamp_min(0).prod(1), 0)
    order = footprints.depths.argsort(stable=True)
    rows = order.repeat_interleave(counts[order])
    starts = counts[order].cumsum(0) - counts[order]
    place = torch.arange(len(rows), device=rows.device) - starts.repeat_interleave(counts[order])
    columns = (last - first)[rows, 0].clamp_min(1)
    tiles = (first[rows, 1] + place // columns) * across + first[rows, 0] + place % columns
    tiles, sorting = tiles.sort(stable=True)
    return rows[sorting], tiles.bincount(minlength=across * down)


def batches(gaussians: Gaussians, camera: Camera) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(tiles (t), rows of their Gaussians (t, k), weights (t, pixels, k)); padding is row n and weighs nothing."""
    limits = Limits()
    footprints = project(gaussians, camera, limits.alpha_min)
    with torch.no_grad():
        lists, lengths = tile_lists(footprints, camera, limits)
    across = -(-camera.width // TILE)
    columns = [footprints.centers, footprints.conics, footprints.opacities[:, None]]
    table = torch.nn.functional.pad(torch.cat(columns, dim=1), (0, 0, 0, 1))
    starts = lengths.cumsum(0) - lengths
    by_length, at = lengths.argsort(descending=True), 0
    while at < len(by_length) and (longest := int(lengths[by_length[at]])) > 0:
        batch = by_length[at : at + max(1, BATCH // (longest * TILE * TILE))]
        at += len(batch)
        k = torch.arange(longest, device=lists.device)
        inside = k < lengths[batch, None]
        rows = torch.where(inside, lists[(starts[batch, None] + k).clamp_max(len(lists) - 1)], len(gaussians))
        yield batch, rows, weights_of(table[rows], batch, across, limits)


def weights_of(table: Tensor, tiles: Tensor, across: int, limits: Limits) -> Tensor:
    """(tiles, pixels, Gaussians) weights from (tiles, Gaussians, 6) rows of centre, conic and opacity."""
    corners = torch.stack([tiles % across, tiles // across], dim=1) * TILE + 0.5
    x, y, a, b, c, opacity = table.unbind(-1)
    steps = torch.arange(TILE, device=tiles.device)[:, None]
    dx = (corners[:, :1] + steps.T)[..., None] - x[:, None]  # (tiles, TILE, Gaussians), as columns and rows separate
    dy = (corners[:, 1:] + steps.T)[..., None] - y[:, None]
    power = (b[:, None] * dy)[:, :, None] * dx[:, None] + (0.5 * a[:, None] * dx * dx)[:, None]
    power = (power + (0.5 * c[:, None] * dy * dy)[:, :, None]).flatten(1, 2)
    alpha = (opacity[:, None] * torch.exp(-power)).clamp_max(limits.alpha_max)
    alpha = torch.where((alpha >= limits.alpha_min) & (power >= 0), alpha, 0.0)
    behind = torch.cumprod(1 - alpha, dim=2)
    before = torch.cat([torch.ones_like(behind[..., :1]), behind[..., :-1]], dim=2)
    return torch.where(behind > limits.transmittance_min, before * alpha, 0.0)


def draw_by_gsplat(gaussians: Gaussians, camera: Camera, values: Tensor) -> Tensor:
    """As :func:`draw`, by ``gsplat.rasterization`` (channels in chunks of 32)."""
    from ...splatting._gsplat_operations import rendered  # needs a GPU

    return rendered(gaussians, camera, values)


def rivals(device: torch.device) -> dict[str, Draw]:
    """Who draws values (n, c) on a device, by name."""
    return {"torch tiles": draw} | ({"gsplat.rasterization": draw_by_gsplat} if device.type == "cuda" else {})


class Rival:
    """Whole training steps."""

    def __init__(self, gaussians: Gaussians, draws: Draw = draw) -> None:
        self.columns = {name: getattr(gaussians, name).detach().clone().requires_grad_() for name in RATES}
        self.gaussians, self.draws = gaussians.replace(**self.columns), draws
        groups = [{"params": [self.columns[name]], "lr": rate} for name, rate in RATES.items()]
        self.optimizer = torch.optim.Adam(groups, eps=1e-15, fused=True)

    def step(self, camera: Camera, photo: Tensor) -> Tensor:
        """Draw, compare, go back, move; gives the picture."""
        self.optimizer.zero_grad()
        image, _ = render(self.gaussians, camera, self.draws)
        photometric_definition(image, photo).backward()
        self.optimizer.step()
        return image.detach()
