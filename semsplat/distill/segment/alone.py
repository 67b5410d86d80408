"""A selection that is to stand alone, as in a file of its own: without the halo that its neighbours left on it.

Gaussians at a border reach over it, and below what lies on them; in the scene nobody sees that. What the photos' views
know decides: a pixel shows the selection, or what is behind it (there it must be empty), or what covers it (there it
should be empty unless other views see it). First every Gaussian is cut back to where its points belong by these
votes, what floats behind a surface is brought up to it (:mod:`.flat`, :mod:`.behind`), then all are fitted for a few
steps to the silhouettes and colours. What is as thin as a pixel or two, such as a pole, stays as it is: it is all
border, and would get ever thinner.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.blend import Blend
from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.project import rotations
from ...splatting.splat import splat
from ...splatting.surface.look import seen_from
from .behind import brought_up
from .clean import trimmed
from .flat import flattened

VIEWS, SIDE = 16, 320  # at most so many cameras, with pictures of at most so many pixels on the longest side
ENDS = (0.5, 1.0, 1.5, 2.0, 2.5)  # standard deviations at which an axis may be cut off
GAP = 0.012  # share of the distance by which something nearer counts as covering, and not as lying on it
COVERED = 0.15  # weight of a covered pixel, which should be empty, against 1 of one that is known
KNOWN = 0.1  # share of the views in which a point must be known; else the covered ones count, too
SQUARE, NEXT = 3, 5  # pixels: squares that a part has no room for is thin, unless one is so near
THIN = 0.2  # mean, over what is seen of a Gaussian, of how much less such squares are selected: then it is thin
STEPS = 60
INNER = (0.95, 0.995)  # purity from which a Gaussian is only shrunk or faded, and from which it is left as it is:
SHRINK = ("log_scales", "logit_opacities")  # what is far from the border stays as sharp as it is
RATES = {"means": 0.03, "quats": 6e-3, "log_scales": 3e-2, "logit_opacities": 0.15, "sh": 6e-3}  # Adam; means: x size
HIDDEN = 0.01  # of the mean: a Gaussian that is seen less, even alone, is dropped


@dataclass(frozen=True)
class Look:
    """What one view knows about a selection."""

    camera: Camera
    share: Float[Tensor, "h w"]  # of what is seen in a pixel that is selected, in [0, 1]
    colors: Float[Tensor, "h w 3"]  # of the scene
    behind: Float[Tensor, "h w"]  # depth from which on the selection would be covered; inf where nothing else is
    alone: tuple[slice, slice]  # rows and columns that the selection could be in

    @cached_property
    def window(self) -> Camera:
        """The camera of the part of the picture that the selection could be in."""
        return self.camera.cut(*self.alone)

    @property
    def thin(self) -> Float[Tensor, "h w"]:
        """How much less the squares next to a pixel are selected than it (its white top-hat, but for corners)."""
        highest = torch.nn.functional.max_pool2d
        squares = -highest(-self.share[None], SQUARE, 1, SQUARE // 2)
        return (self.share - highest(squares, NEXT, 1, NEXT // 2)[0]).clamp_min(0.0)


@torch.no_grad()
def isolated(gaussians: Gaussians, selection: Bool[Tensor, " n"], cameras: Sequence[Camera]) -> Gaussians:
    """The selected Gaussians, mended so that they look alone as they look in the scene; ids and features stay.

    Some are dropped. Seconds on two cores: 60 steps of a picture of the selection. Without cameras that see the
    selection, the ends of axes that reach to others are cut off (:func:`trimmed`). Deterministic.

    Args:
        cameras: of the photos.
    """
    gaussians = gaussians.detach()
    if bool(selection.all()) or not bool(selection.any()):
        return gaussians[selection]
    looks = [look for camera in _some(cameras) if (look := _look(gaussians, selection, camera)) is not None]
    if not looks:
        return trimmed(gaussians, selection)
    chosen = gaussians[selection]
    thin = _is_thin(chosen, looks)
    if bool(thin.all()):
        return chosen
    windows = [look.window for look in looks]
    start = _cut(chosen[~thin], looks, cameras)
    moved = torch.zeros_like(start.logit_opacities, dtype=torch.bool)
    for mend in (flattened, brought_up, flattened):  # what was brought up to fog before a plane goes back to it
        start, now = mend(start, windows)
        moved |= now
    return _without_hidden(Gaussians.cat([_fitted(start, looks, moved), chosen[thin]]), looks)


def _some(cameras: Sequence[Camera]) -> list[Camera]:
    """Every n-th camera, in small."""
    chosen = cameras[:: math.ceil(len(cameras) / VIEWS)] if cameras else []
    return [camera.scaled(min(1.0, SIDE / max(camera.width, camera.height))) for camera in chosen]


def _look(gaussians: Gaussians, selection: Bool[Tensor, " n"], camera: Camera) -> Look | None:
    """What a view shows; None where it shows nothing of the selection."""
    camera = camera.to(gaussians.means.device)
    blend = splat(gaussians, camera)
    chosen = selection.to(gaussians.means)[:, None]
    depths = blend.footprints.depths[:, None] * (1.0 - chosen)
    image, alpha = blend.composite(torch.cat([chosen, depths, gaussians.colors(camera)], dim=1))
    share, other = image[..., 0], alpha[..., 0] - image[..., 0]
    if not bool((share > 0.5).any()):
        return None
    distance = torch.where(other > 0.05, image[..., 1] / other.clamp_min(1e-3), torch.inf)
    there = splat(gaussians[selection], camera).alpha[..., 0] > 1.0 / 255.0
    rows, columns = there.any(1).nonzero()[:, 0], there.any(0).nonzero()[:, 0]
    window = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    share = share / alpha[..., 0].clamp_min(0.05)
    return Look(camera, share.clamp(0.0, 1.0), image[..., 2:], distance * (1.0 + GAP), window)


def _is_thin(chosen: Gaussians, looks: Sequence[Look]) -> Bool[Tensor, " n"]:
    """Whether what is seen of each alone, and is not covered, is mostly in thin parts of the selection."""
    total = chosen.means.new_zeros(len(chosen), 2)
    for look in looks:
        blend = splat(chosen, look.window)
        known = (~_covered(blend, look)).to(chosen.means)
        total += blend.T @ torch.stack([known * look.thin[look.alone], known], dim=-1)
    return total[:, 0] > THIN * total[:, 1]


def _covered(blend: Blend, look: Look) -> Bool[Tensor, "h w"]:
    """Where the selection, drawn alone in the window, is behind other things."""
    image, alpha = blend.composite(blend.footprints.depths[:, None])
    depth = image[..., 0] / alpha[..., 0].clamp_min(1e-3)
    share, behind = look.share[look.alone], look.behind[look.alone]
    return (share < 0.5) & (depth > behind) & (alpha[..., 0] > 1.0 / 255.0)


def _cut(chosen: Gaussians, looks: Sequence[Look], cameras: Sequence[Camera]) -> Gaussians:
    """Axes cut off, on either side, where their points begin to be outside, or out of every photo's frame.

    Without Gaussians centred outside.
    """
    turned, means, scales = rotations(chosen.quats), chosen.means.clone(), chosen.scales.clone()
    for axis in range(3):
        arm = turned[:, :, axis] * chosen.scales[:, axis : axis + 1]
        ends = []
        for sign in (1.0, -1.0):
            reach = chosen.scales.new_full((len(chosen),), ENDS[0])
            inside = torch.ones_like(reach, dtype=torch.bool)
            for end in ENDS:
                points = chosen.means + sign * end * arm
                inside &= _belongs(points, looks) & _framed(points, cameras)
                reach = torch.where(inside, end, reach)
            ends.append(reach)
        means += 0.5 * (ends[0] - ends[1])[:, None] * arm
        scales[:, axis] *= (ends[0] + ends[1]) / (2.0 * ENDS[-1])
    kept = _belongs(chosen.means, looks)
    cut = chosen.replace(means=means, log_scales=scales.clamp_min(1e-9).log())
    return cut[kept] if bool(kept.any()) else cut


def _belongs(points: Float[Tensor, "m 3"], looks: Sequence[Look]) -> Bool[Tensor, " m"]:
    """Whether most views that know a point show the selection there; true where none does."""
    known, shown, all_known, all_shown = points.new_zeros(4, len(points)).unbind(0)
    for look in looks:
        places, depth, within = _projected(points, look.camera)
        size = points.new_tensor([look.camera.width, look.camera.height])
        column, row = places.nan_to_num(0.0).clamp_min(0.0).minimum(size - 1).long().unbind(1)
        share = _between(look.share, places - 0.5)
        known_here = within & ((share > 0.5) | (depth < look.behind[row, column]))
        known, shown = known + known_here, shown + known_here * share
        all_known, all_shown = all_known + within, all_shown + within * share
    few = known < KNOWN * all_known
    return torch.where(few, all_shown >= 0.5 * all_known, shown >= 0.5 * known)


def _framed(points: Float[Tensor, "m 3"], cameras: Sequence[Camera]) -> Bool[Tensor, " m"]:
    """Whether a point is in any camera's frame."""
    found = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for camera in cameras:
        found |= _projected(points, camera)[2]
    return found


def _projected(
    points: Float[Tensor, "m 3"], camera: Camera
) -> tuple[Float[Tensor, "m 2"], Float[Tensor, " m"], Bool[Tensor, " m"]]:
    """Places in the picture, depths, and whether they are within the frame."""
    local = camera.local(points)
    depth = local[:, 2]
    places = (local @ camera.intrinsics.to(points).T)[:, :2] / depth.clamp_min(1e-9)[:, None]
    size = points.new_tensor([camera.width, camera.height])
    return places, depth, (depth > 0) & (places >= 0).all(1) & (places < size).all(1)


def _between(image: Float[Tensor, "h w"], places: Float[Tensor, "m 2"]) -> Float[Tensor, " m"]:
    """Values of an image between the centres of its pixels."""
    height, width = image.shape
    at = (places + 0.5) / places.new_tensor([width, height]) * 2.0 - 1.0
    grid = at.nan_to_num(-2.0).clamp(-2.0, 2.0)[None, None]
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
    return torch.nn.functional.grid_sample(image[None, None], grid, **options)[0, 0, 0]


def _fitted(start: Gaussians, looks: Sequence[Look], moved: Bool[Tensor, " n"]) -> Gaussians:
    """Some steps of Adam on coverage (L1 against a sharpened share) and colour, covered pixels counting little.

    What was moved to a surface does not leave it again along the rays: pictures say little about depth.
    """
    size = start.scales.median(-1).values.median().item()
    views, purity = [_target(start, look) for look in looks], torch.where(moved, 0.0, _purity(start, looks))
    rays = torch.nn.functional.normalize(seen_from(start, [look.window for look in looks]), dim=1) * moved[:, None]
    over, near = (purity < INNER[0]).to(start.means), (purity < INNER[1]).to(start.means)
    with torch.enable_grad():
        columns = {name: getattr(start, name).clone().requires_grad_() for name in RATES}
        rates = [
            {"params": [column], "lr": RATES[name] * (size if name == "means" else 1.0)}
            for name, column in columns.items()
        ]
        adam = torch.optim.Adam(rates, eps=1e-15)
        for step in range(STEPS):
            camera, covered, colors, weight = views[step * _stride(len(views)) % len(views)]
            now = start.replace(**columns)
            image, alpha = splat(now, camera).composite(now.colors(camera))
            missed = (image - colors).abs().mean(-1) * (covered > 0.99)
            loss = (((alpha[..., 0] - covered).abs() + missed) * weight).mean()
            adam.zero_grad()
            loss.backward()
            for name, column in columns.items():
                free = near if name in SHRINK else over
                column.grad *= free.reshape(-1, *[1] * (column.dim() - 1))
            before = columns["means"].detach().clone()
            adam.step()
            with torch.no_grad():
                columns["means"] -= rays * ((columns["means"] - before) * rays).sum(1, keepdim=True)
    found = start.replace(**{name: column.detach() for name, column in columns.items()})
    return found[found.is_finite()]


def _purity(chosen: Gaussians, looks: Sequence[Look]) -> Float[Tensor, " n"]:
    """Share of what is seen of each alone that is where the selection is to be seen."""
    total = chosen.means.new_zeros(len(chosen), 2)
    for look in looks:
        blend = splat(chosen, look.camera)
        shown = (look.share > 0.5).to(chosen.means)[..., None]
        total += blend.T @ torch.cat([shown, torch.ones_like(shown)], dim=-1)
    return total[:, 0] / total[:, 1].clamp_min(1e-9)


def _target(start: Gaussians, look: Look) -> tuple[Camera, Tensor, Tensor, Tensor]:
    """(camera of the window, coverage that is wanted there, colours, weight of each pixel)."""
    camera = look.window
    share = look.share[look.alone]
    weight = torch.where(_covered(splat(start, camera), look), COVERED, 1.0).to(share)
    return camera, ((share - 0.25) / 0.5).clamp(0.0, 1.0), look.colors[look.alone], weight


def _stride(count: int) -> int:
    """A step through ``count`` views that visits all of them, neighbours far apart."""
    return next((step for step in range(max(1, round(0.382 * count)), count) if math.gcd(step, count) == 1), 1)


def _without_hidden(chosen: Gaussians, looks: Sequence[Look]) -> Gaussians:
    """Without what no view sees of it even alone."""
    seen = chosen.means.new_zeros(len(chosen))
    for look in looks:
        blend: Blend = splat(chosen, look.camera)
        seen += (blend.T @ torch.ones_like(blend.alpha))[:, 0]
    kept = seen > HIDDEN * seen.mean()
    return chosen[kept] if bool(kept.any()) else chosen
