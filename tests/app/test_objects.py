"""``semsplat objects`` on a small scene: listing, proposing, forgetting, and what people named stays."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_masks import ExactMasks
from PIL import Image
from rich.console import Console

from semsplat.app import objects as command
from semsplat.app import objects_find as finding
from semsplat.app import scene as scenes
from semsplat.app.cli_meaning import Objects
from semsplat.distill import field as fields
from semsplat.distill import objects
from semsplat.distill.field import StoredField
from semsplat.distill.objects import Thing
from semsplat.distill.segment import sam_votes
from semsplat.distill.teachers import reopen
from semsplat.splatting.camera import Camera
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

BALLS, EACH, SIZE = 4, 90, 64
NAMES = [["bowl", "dish"], ["mug"], ["vase"], ["clock"]]
TRUTH = torch.arange(BALLS * EACH) // EACH


def balls() -> Gaussians:
    make = torch.Generator().manual_seed(0)
    turn = torch.arange(BALLS) * 2 * math.pi / BALLS
    shell = torch.nn.functional.normalize(torch.randn(BALLS, EACH, 3, generator=make), dim=-1)
    centers = torch.stack([turn.cos(), turn.sin(), 0 * turn], -1)
    colors = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.9], [0.9, 0.9, 0.1]])
    count = BALLS * EACH
    return Gaussians(
        means=(centers[:, None] + 0.35 * shell).reshape(-1, 3),
        quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        log_scales=torch.full((count, 3), math.log(0.06)),
        logit_opacities=torch.full((count,), 3.0),
        sh=((colors[TRUTH] - 0.5) / 0.2820948)[:, None],
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scene folder with photos and no field."""
    up, frames = torch.tensor([0.0, 0.0, 1.0]), []
    for number in range(6):
        turn = number * math.pi / 3
        eye = torch.tensor([3 * math.cos(turn), 3 * math.sin(turn), 1.4])
        camera = Camera.look_at(eye, torch.zeros(3), up, 0.9, SIZE, SIZE)
        pixels = tmp_path / f"{number}.npy"
        np.save(pixels, np.full((SIZE, SIZE, 3), 90, np.uint8))
        frames.append(Frame(f"{number}.png", camera, pixels))
    scenes.write_gaussians(tmp_path, balls())
    scenes.write_cameras(tmp_path, frames, frames[:1])
    scenes.write_json(tmp_path / scenes.CONFIG, {"semsplat": "0", "source": "gone"})
    return tmp_path


def teach(folder: Path) -> None:
    teacher = reopen("labels", {"names": NAMES}, torch.device("cpu"))
    codes = teacher.read([given[0] for given in NAMES])[TRUTH]
    trust, same = torch.full((len(TRUTH),), 0.9), torch.eye(codes.shape[1])
    fields.save(folder, StoredField("labels", torch.arange(len(TRUTH)), codes, trust, same, teacher.memory()))


def run(folder: Path, **options) -> tuple[int, str]:
    console = Console(record=True, width=200, force_terminal=False)
    status = command.run(Objects(folder, **options), console)
    return status, console.export_text()


def test_a_new_scene_has_no_objects(folder: Path) -> None:
    status, said = run(folder)
    assert status == 0 and "No objects yet; propose some with --find" in said


@pytest.mark.slow
def test_finding_with_a_field_saves_named_objects_and_a_picture(folder: Path) -> None:
    teach(folder)
    status, said = run(folder, find=True)
    things = {thing.name: thing for thing in objects.read(folder)}
    assert status == 0 and {"bowl", "mug", "vase", "clock"} <= set(things)
    for number, (name, *_) in enumerate(NAMES):
        own = set(things[name].ids.tolist())
        assert len(own & set(torch.nonzero(TRUTH.eq(number))[:, 0].tolist())) > 0.9 * EACH and len(own) < 1.1 * EACH
    facts = things["mug"].facts
    assert facts["proposed"] and facts["named by"] == "labels" and facts["evidence"] == ["colour and shape", "labels"]
    assert 0 <= facts["score"] <= 1 and 0 <= facts["sizes"][0] <= facts["sizes"][1] <= 1
    assert "mug" in said and "objects --find (colour and shape, labels)" in said
    assert (folder / "answers" / "objects.png").stat().st_size > 1000


@pytest.mark.slow
def test_what_people_named_stays_and_earlier_proposals_go(folder: Path) -> None:
    teach(folder)
    mine = Thing("my [red] ball", (TRUTH == 0).nonzero()[:, 0], {"made by": "select"})
    objects.put(folder, mine, Thing("mug", torch.tensor([1, 2, 3]), {"made by": "ask", "teacher": "labels"}))
    run(folder, find=True)
    first = objects.read(folder)
    status, said = run(folder, find=True, field="none")
    second = objects.read(folder)
    assert status == 0 and "[red]" in said
    for things in (first, second):
        names = [thing.name for thing in things]
        assert names[:2] == ["my [red] ball", "mug"] and len(set(names)) == len(names)
        assert things[0].ids.tolist() == mine.ids.tolist() and things[1].ids.tolist() == [1, 2, 3]
    assert "bowl" not in [thing.name for thing in first]  # it is mine already
    assert "mug 2" in [thing.name for thing in first]
    proposed = [thing for thing in second if thing.facts.get("proposed")]
    assert proposed and all(thing.facts["evidence"] == ["colour and shape"] for thing in proposed)
    assert all(thing.facts["named by"] == "labels" for thing in proposed if thing.name != "thing")


@pytest.mark.slow
def test_masks_numbered_anyhow_find_things(folder: Path) -> None:
    opened, rng = scenes.Scene.open(folder), np.random.default_rng(0)
    masks = folder / "masks"
    masks.mkdir()
    for number, view in enumerate(opened.views[1:]):
        blend = splat(opened.gaussians, view.camera).detach()
        picture = blend @ torch.nn.functional.one_hot(TRUTH).float()
        ids = torch.where(blend.alpha[..., 0] > 0.5, picture.argmax(-1), -1).numpy()
        shuffled = rng.permutation(BALLS) + 1
        if number % 2:
            Image.fromarray(np.where(ids >= 0, shuffled[ids], 0).astype(np.uint8)).save(masks / f"{number + 1}.png")
        else:
            np.save(masks / f"{number + 1}.npy", np.stack([ids == k for k in range(BALLS)])[shuffled - 1])
    status, said = run(folder, find=True, masks=masks)
    things = [thing for thing in objects.read(folder) if thing.facts["from"] == "masks"]
    assert status == 0 and len(things) == BALLS and "so " in said and "without lens distortion" in said
    owners = [TRUTH[thing.ids].bincount(minlength=BALLS) for thing in things]
    assert {int(one.argmax()) for one in owners} == set(range(BALLS)) and all(one.max() > 0.95 * EACH for one in owners)


def teach_masks(folder: Path) -> None:
    """Features of the double that is sure of the class under a click."""
    trust, same = torch.full((len(TRUTH),), 0.9), torch.eye(BALLS)
    fields.save(
        folder, StoredField("sam", torch.arange(len(TRUTH)), same[TRUTH], trust, same, {}, {"map_grid": [32, 32]})
    )


@pytest.mark.slow
def test_sam_is_asked_for_everything(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teach_masks(folder)
    teacher = ExactMasks(BALLS)
    monkeypatch.setattr(finding, "reopen", lambda *_: teacher)
    monkeypatch.setattr(finding, "VIEWS", 5)
    monkeypatch.setattr(sam_votes, "CLICKS", 8)
    status, said = run(folder, find=True, field="sam")
    things = [thing for thing in objects.read(folder) if thing.facts["from"] == "masks"]
    assert status == 0 and len(teacher.maps) == 5 and "Proposed by colour and shape, masks, sam" in said
    owners = [TRUTH[thing.ids].bincount(minlength=BALLS) for thing in things]
    assert len(things) == BALLS and {int(one.argmax()) for one in owners} == set(range(BALLS))
    assert all(one.max() > 0.95 * EACH and one.sum() < 1.05 * one.max() for one in owners)


def test_a_sam_that_is_sure_of_nothing_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teach_masks(folder)
    monkeypatch.setattr(finding, "reopen", lambda *_: ExactMasks(BALLS))
    monkeypatch.setattr(finding, "everything", lambda *_: torch.zeros(0, SIZE, SIZE, dtype=torch.bool))
    status, said = run(folder, find=True, field="sam")
    assert status == 0 and "is sure of no mask in any of 6 views" in said
    assert {thing.facts["from"] for thing in objects.read(folder)} == {"parts"}


def test_forgetting_lifts_parts_and_knows_its_names(folder: Path) -> None:
    objects.put(folder, Thing("desk", torch.arange(9)), Thing("drawer", torch.arange(3), parent="desk"))
    assert "  drawer" in run(folder)[1]
    status, said = run(folder, remove=("desk",))
    assert status == 0 and "Forgotten: desk; 1 left." in said and objects.read(folder)[0].parent is None
    with pytest.raises(InputError, match="no object 'desk'"):
        run(folder, remove=("desk",))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 1.5}, "--size 1.5 is not possible"),
        ({"size": float("nan")}, "--size nan is not possible"),
        ({"find": True, "field": "lseg"}, "has no field of 'lseg' .there is: none."),
        ({"find": True, "masks": Path("nowhere")}, "no folder of masks nowhere"),
        ({"masks": Path("x")}, "add --find"),
    ],
)
def test_what_cannot_be_is_a_sentence(folder: Path, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(folder, **options)
    assert objects.read(folder) == []


def test_objects_of_gaussians_that_are_gone_are_listed_as_gone(folder: Path) -> None:
    objects.put(folder, Thing("old", torch.tensor([10**6])))
    assert " gone " in run(folder)[1]
