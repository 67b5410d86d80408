"""A selection decided again by what pixels show: for things as thin as the Gaussians at their borders.

A Gaussian belongs or does not, as a whole, so at a border each decision alone is wrong somewhere; together they can
make up for each other, as codes do: pixel by pixel a field is much sharper than Gaussian by Gaussian. In some views,
pixels in which ``W @ selection > 0.5`` and the field disagree pull at their Gaussians by W.T, until they change sides:
the perceptron (Rosenblatt 1958), a few rounds of two products of one channel.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.blend import Blend
from ...splatting.camera import Camera
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat
from ..field import FeatureField
from ..teachers.base import Teacher
from ..teachers.labels import LabelsTeacher

VIEWS, SIDE = 14, 160  # at most so many cameras, with pictures of at most so many pixels on the longest side
ROUNDS = 12  # more fit these views better, but not others
STEP = 3.0  # of a Gaussian whose pixels are all wrong, in units of the way from out to undecided
MOST = 0.5  # share of a class in the selection from which it is one of those that were meant

View = tuple[Blend, Bool[Tensor, "_h _w"]]  # W of a camera, and which pixels the field gives to the thing


@torch.no_grad()
def refine(
    gaussians: Gaussians,
    field: FeatureField | None,
    teacher: Teacher | None,
    selection: Bool[Tensor, " n"],
    cameras: Sequence[Camera],
) -> Bool[Tensor, " n"]:
    """The selection that looks most like the field's own outline of the thing; the given one if none does better.

    A pixel belongs if its nearest class is one of the selection's, and more of it is selected than is of these classes
    but elsewhere: the other chair stays out.

    Args:
        teacher: the field's own.
        cameras: of the photos; about a second for 20,000 Gaussians on two cores.

    Raises:
        InputError: the field is not one of labels, so its pixels have no nearest class.
    """
    if field is None or not isinstance(teacher, LabelsTeacher):
        name = "no field" if field is None else f"a field of '{field.teacher}'"
        raise InputError(f"Refining takes the classes of annotations, and this is {name}; leave --refine out.")
    if not selection.any() or not cameras:
        return selection
    codes, classes = field.codes(gaussians).detach(), teacher.codes
    scores = field.scores(codes, classes)
    own, meant = scores.argmax(1), _meant(scores, selection)
    sides = torch.stack([selection, meant[own] & ~selection], dim=1).to(codes)
    views = []
    for camera in cameras[:: math.ceil(len(cameras) / VIEWS)]:
        small = camera.scaled(min(1.0, SIDE / max(camera.width, camera.height))).to(codes.device)
        blend = splat(gaussians.detach(), small).detach()
        shown, alpha = blend.composite(torch.cat([codes, sides], dim=1))
        here, elsewhere = shown[..., -2], shown[..., -1]
        nearest = field.scores(shown[..., :-2], classes).argmax(-1)
        views.append((blend, meant[nearest] & (alpha[..., 0] > 0.5) & (here >= elsewhere)))
    return _agreed(views, selection)


def _meant(scores: Float[Tensor, "n k"], selection: Bool[Tensor, " n"]) -> Bool[Tensor, " k"]:
    """The class that most of the selection is of, and those that are mostly selected: not what it takes by mistake."""
    own = scores.argmax(1)
    counts = [own[rows].bincount(minlength=scores.shape[1]) for rows in (selection, torch.ones_like(selection))]
    meant = counts[0] > MOST * counts[1]
    meant[counts[0].argmax()] = True
    return meant


def _agreed(views: Sequence[View], selection: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """The round that agrees best with the views, the start among them."""
    mass = torch.stack([(blend.T @ torch.ones_like(blend.alpha))[:, 0] for blend, _ in views]).sum(0).clamp_min(1e-2)
    lean = torch.where(selection, 1.0, -1.0).to(mass)  # belongs where above 0
    best, found = -1.0, selection
    for _ in range(ROUNDS + 1):
        belongs = lean > 0
        seen = [(blend @ belongs.to(mass)[:, None])[..., 0] > 0.5 for blend, _ in views]
        both = sum(int((mask & wanted).sum()) for mask, (_, wanted) in zip(seen, views, strict=True))
        either = sum(int((mask | wanted).sum()) for mask, (_, wanted) in zip(seen, views, strict=True))
        if belongs.any() and both > best * either:
            best, found = both / max(either, 1), belongs
        wrong = [wanted.to(mass) - mask.to(mass) for mask, (_, wanted) in zip(seen, views, strict=True)]
        pulls = [(blend.T @ error[..., None])[:, 0] for error, (blend, _) in zip(wrong, views, strict=True)]
        pull = torch.stack(pulls).sum(0)
        lean = (lean + STEP * pull / mass).clamp(-1.0, 1.0)
    return found
