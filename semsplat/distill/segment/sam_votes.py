"""With a promptable teacher (SAM): the map that the distilled codes draw is prompted, and its masks vote by W.T.

No photo and no encoder is needed: the features of a view are ``W @ codes``, averaged to the teacher's own grid. Views
beside the prompt's are prompted with what was selected so far, so the sides that it does not show are voted on, too.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.blend import compact
from ...splatting.camera import Camera
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat
from ..field import FeatureField
from ..teachers.base import Masks, Prompts, PromptTeacher
from ..teachers.sam_automatic import Everything, Progress
from ..teachers.sam_prompts import MaskTeacher
from .choose import Size
from .graph import Graph
from .prompts import Box, Click, Evidence, Prompt, Scribble, Stroke, outline
from .walk import walk

GRID = 64  # cells along the longer side of a map, when the field does not say
POINTS = 6  # at most, of a stroke
AROUND, ALIKE = 4, 0.7  # further views; a mask counts there if its IoU with what is selected so far is at least this
CLICKS, BATCH = 16, 4  # on the CPU: clicks along each side of a view for everything, and at once (32: twice as slow)
COVERED = 0.1  # of a cell: where less is, its features are left as faint as they are drawn


def by_masks(
    gaussians: Gaussians,
    graph: Graph,
    field: FeatureField,
    teacher: PromptTeacher,
    prompts: Sequence[Prompt],
    size: Size,
    cameras: Sequence[Camera] = (),
) -> tuple[Float[Tensor, " n"], float]:
    """(order, tolerance) from the teacher's masks in the prompts' views and in some of ``cameras``.

    Raises:
        InputError: the teacher finds nothing.
    """
    votes = []
    for camera in {id(prompt.camera): prompt.camera for prompt in prompts}.values():
        asked = asking([prompt for prompt in prompts if prompt.camera is camera])
        if asked.positive.any() or asked.box is not None:
            answer = ask(gaussians, field, teacher, camera, asked)
            votes.append(outline(gaussians, camera, chosen(answer, size), "mask"))
    chance = _carried(graph, votes)
    for camera in _nearby(gaussians, chance > 0.5, cameras)[:AROUND]:
        vote = _again(gaussians, field, teacher, camera, chance > 0.5)
        votes += [vote] if vote is not None else []
    chance = _carried(graph, votes)
    return torch.where(chance > 1e-3, 1.0 - chance, torch.inf), 0.5


def drawn(gaussians: Gaussians, field: FeatureField, camera: Camera) -> Float[Tensor, "u v c"]:
    """The teacher's features as the camera sees them in the Gaussians, on the teacher's grid.

    They are means of what covers a cell, so they are as long as the teacher's own, which its decoder needs.
    """
    grid = field.facts.get("map_grid")
    if not grid or (grid[0] > grid[1]) != (camera.height > camera.width):
        scale = GRID / max(camera.height, camera.width)
        grid = (max(1, round(scale * camera.height)), max(1, round(scale * camera.width)))
    half = camera.scaled(0.5)
    fine = half if grid[0] <= half.height and grid[1] <= half.width else camera
    seen = splat(gaussians, fine).detach().composite(compact(field.codes(gaussians)))
    codes, alpha = (
        torch.nn.functional.interpolate(drawn.movedim(-1, 0)[None], tuple(grid), mode="area")[0].movedim(0, -1).float()
        for drawn in seen
    )
    return field.decode(codes / torch.where(alpha > COVERED, alpha, 1.0))


def everything(
    gaussians: Gaussians,
    field: FeatureField,
    teacher: MaskTeacher,
    camera: Camera,
    progress: Progress | None = None,
) -> Bool[Tensor, "m h w"]:
    """The masks of all that the teacher finds in a view of the Gaussians; they may overlap, m may be 0."""
    asked = Everything(points_per_side=CLICKS, batch=BATCH) if teacher.device.type == "cpu" else Everything()
    size = (camera.height, camera.width)
    return teacher.everything(drawn(gaussians, field, camera), size, asked, progress).masks > 0


def ask(gaussians: Gaussians, field: FeatureField, teacher: PromptTeacher, camera: Camera, prompts: Prompts) -> Masks:
    """The teacher's masks for a prompt in a view of the Gaussians."""
    return teacher.masks(drawn(gaussians, field, camera), prompts, (camera.height, camera.width))


def asking(prompts: Sequence[Prompt]) -> Prompts:
    """The prompts of one view as the teacher takes them; strokes become a few points, of boxes the last counts."""
    points, positive, box = [], [], None
    for prompt in prompts:
        if isinstance(prompt, Click):
            points.append(torch.tensor([[prompt.x, prompt.y]], dtype=torch.float32))
        elif isinstance(prompt, Stroke):
            inside = prompt.points.float()
            limit = inside.new_tensor([prompt.camera.width, prompt.camera.height])
            inside = inside[((inside >= 0) & (inside <= limit)).all(1)]
            points.append(inside[torch.linspace(0, len(inside) - 1, min(POINTS, len(inside))).round().long()])
        elif isinstance(prompt, Scribble):
            pixels = torch.nonzero(prompt.painted)
            spread = torch.linspace(0, len(pixels) - 1, min(POINTS, len(pixels))).round().long()
            points.append(pixels[spread].flip(1) + 0.5)
        elif isinstance(prompt, Box):
            (x0, x1), (y0, y1) = sorted((prompt.x0, prompt.x1)), sorted((prompt.y0, prompt.y1))
            box = torch.tensor([x0, y0, x1, y1], dtype=torch.float32)
        positive += [getattr(prompt, "positive", True)] * (len(points[-1]) if not isinstance(prompt, Box) else 0)
    return Prompts(torch.cat(points) if points else torch.zeros(0, 2), torch.tensor(positive, dtype=torch.bool), box)


def chosen(answer: Masks, size: Size) -> Bool[Tensor, "h w"]:
    """Of several masks the smallest for a part, the largest for a group, the best for a thing.

    Raises:
        InputError: all are empty.
    """
    masks = (answer.masks > 0).cpu()
    areas = masks.flatten(1).sum(1)
    there = torch.nonzero(areas > 0)[:, 0]
    if not len(there):
        raise InputError("The teacher finds nothing at the prompt; point at another place, or add a point.")
    rank = {"part": -areas.float(), "group": areas.float(), "thing": answer.quality.float().cpu()}[size]
    return masks[there[rank[there].argmax()]]


def _carried(graph: Graph, votes: Sequence[Evidence]) -> Float[Tensor, " n"]:
    return walk(graph, torch.stack([v.inside for v in votes]).sum(0), torch.stack([v.outside for v in votes]).sum(0))


def _nearby(gaussians: Gaussians, selection: Bool[Tensor, " n"], cameras: Sequence[Camera]) -> list[Camera]:
    """The cameras that see most of the selection, in small."""
    values = selection.to(gaussians.means)[:, None]
    seen = []
    for camera in cameras:
        small = camera.scaled(min(1.0, 64 / max(camera.width, camera.height)))
        seen.append(float((splat(gaussians, small).detach() @ values).mean()))
    order = sorted(range(len(cameras)), key=lambda k: -seen[k])
    return [cameras[k] for k in order if seen[k] > 0]


def _again(
    gaussians: Gaussians,
    field: FeatureField,
    teacher: PromptTeacher,
    camera: Camera,
    selection: Bool[Tensor, " n"],
) -> Evidence | None:
    """The vote of a further view, prompted with the middle and the box of what is selected; None if it disagrees."""
    seen = (splat(gaussians, camera).detach() @ selection.to(gaussians.means)[:, None])[..., 0].cpu() > 0.5
    rows, columns = torch.nonzero(seen).unbind(1)
    if len(rows) < 9:
        return None
    box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
    point = _middle(seen)
    answer = ask(gaussians, field, teacher, camera, Prompts(point[None], torch.tensor([True]), box))
    masks = (answer.masks > 0).cpu()
    both, either = (masks & seen).flatten(1).sum(1), (masks | seen).flatten(1).sum(1)
    best = (both / either.clamp_min(1)).max(0)
    return outline(gaussians, camera, masks[best.indices], "mask") if best.values >= ALIKE else None


def _middle(mask: Bool[Tensor, "h w"]) -> Float[Tensor, "2"]:
    """x, y of the pixel farthest from the mask's border."""
    from scipy.ndimage import distance_transform_edt

    depth = torch.from_numpy(distance_transform_edt(torch.nn.functional.pad(mask, (1, 1, 1, 1)).numpy()))[1:-1, 1:-1]
    row, column = divmod(int(depth.argmax()), mask.shape[1])
    return torch.tensor([column + 0.5, row + 0.5])
