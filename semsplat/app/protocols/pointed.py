"""Protocols that point: scribbles (NVOS) and a mask (SPIn-NeRF) in one photo, looked for in others."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from ...distill.protocols import Pointed, Scores
from ...distill.protocols import nvos as nvos_files
from ...distill.protocols import spin_nerf as spin_files
from ...distill.protocols.places import read_mask
from ...distill.protocols.types import mean
from ...distill.segment import MaskPrompt, Prompt, Scribble
from ...splatting.errors import InputError
from ..progress import counter
from ..truth import visible
from .bench import Bench
from .report import Group, Report

EMPTY = "Most of a photo is not the thing: 'accuracy of nothing' is what an answer without a single pixel gets."


def nvos(bench: Bench, data: Path, console: Console) -> Report:
    """IoU and accuracy in the one target photo of each thing (Ren et al. 2022).

    Raises:
        InputError: the annotations are not of this scene, or nothing is under a scribble.
    """
    things = nvos_files.read(data, bench.names, bench.photos)
    rows, scores = {}, []
    for thing in things:
        found = _found(bench, thing, console)
        kind = "held out" if found[0].held_out else "fitted on"
        rows[f"{thing.name} in {found[0].photo} ({kind})"] = _numbers(found)
        scores += found
    if len(scores) > 1:
        rows[f"mean of {len(scores)}"] = _numbers(scores)
    fitted = [score.photo for score in scores if not score.held_out]
    held = "The scene was not fitted from the target photos."
    if fitted:
        held = (
            f"The scene was fitted from {', '.join(dict.fromkeys(fitted))}, as is usual in published numbers; leave "
            "the target out of the fit for the number of a photo never seen."
        )
    return Report((Group("scribbles", rows),), (
        f"{len(things)} of the set's {nvos_files.TARGETS} targets; published means are over 8, some over 7 or over "
        "redrawn masks: compare with the same ones. All scribbles are used whole; some methods take chosen points.",
        held, EMPTY,
    ))  # fmt: skip


def spin_nerf(bench: Bench, data: Path, console: Console) -> Report:
    """IoU and accuracy over all annotated photos, the thing shown by the true mask of the first (Mirzaei et al. 2023).

    Raises:
        InputError: as :func:`nvos`.
    """
    (thing,) = spin_files.read(data, bench.names, bench.photos)
    scores = _found(bench, thing, console)
    others = [score for score in scores if score.photo != thing.reference]
    held_out = [score for score in others if score.held_out]
    rows = {
        f"all {len(scores)} masks, the one shown too": _numbers(scores),
        f"the {len(others)} others": _numbers(others),
        f"of these, {len(held_out)} held out": _numbers(held_out),
    }
    return Report((Group(thing.name, rows),), (
        f"Shown: the true mask of {thing.reference}. Published means take it in, where the answer was given; "
        "the rows below leave it out, and then all photos that the scene was fitted from.",
        "'IoU' is the mean over photos, 'IoU of all pixels' adds the photos up first; papers do not always say which.",
        EMPTY,
    ))  # fmt: skip


def _found(bench: Bench, thing: Pointed, console: Console) -> list[Scores]:
    gaussians = bench.gaussians
    chosen = bench.session.select(_prompts(bench, thing))
    selection = torch.isin(gaussians.ids, chosen.at().to(gaussians.ids))
    report, scores = counter(console, thing.name), []
    for done, (photo, mask) in enumerate(thing.targets, 1):
        view = bench.views[photo]
        truth = bench.on_photo(read_mask(mask), photo, mask)
        if not truth.any():
            raise InputError(f"The mask {mask} is empty; fetch the set again.")
        answer = visible(gaussians, selection, view.camera)
        scores.append(Scores.of(thing.name, photo, view.held_out, truth, answer))
        report(done, len(thing.targets))
    return scores


def _prompts(bench: Bench, thing: Pointed) -> list[Prompt]:
    camera = bench.views[thing.reference].camera
    shown = bench.on_photo(read_mask(thing.shown), thing.reference, thing.shown, thin=not thing.is_outline)
    if thing.is_outline:
        return [MaskPrompt(camera, shown)]
    prompts: list[Prompt] = [Scribble(camera, shown)]
    if thing.against is not None:
        against = bench.on_photo(read_mask(thing.against), thing.reference, thing.against, thin=True)
        prompts += [Scribble(camera, against, positive=False)] if against.any() else []
    return prompts


def _numbers(scores: Sequence[Scores]) -> dict[str, float]:
    both, either = sum(score.both for score in scores), sum(score.either for score in scores)
    return {
        "IoU": mean([score.iou for score in scores]),
        "IoU of all pixels": both / either if either else float("nan"),
        "accuracy": mean([score.accuracy for score in scores]),
        "accuracy of nothing": mean([score.accuracy_of_nothing for score in scores]),
        "boundary IoU": mean([score.boundary_iou for score in scores]),
    }
