"""Sheets of answers: any script, any view, photos or none; and the views in which a thing is best seen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_scenes import three_balls, views

from semsplat.app import legends, overlays
from semsplat.app.layers_meaning import Heat
from semsplat.app.scene import Scene
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import InputError

SCRIPTS = "mug кружка 杯子 كوب 🦊 e\u0301\n\x00\ud800" + "x" * 300


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def first_ball() -> torch.Tensor:
    return torch.arange(600) < 200


@pytest.mark.slow
def test_sheets_are_written_whatever_is_said(tmp_path: Path) -> None:
    gaussians, shown = three_balls(), views(tmp_path)[:2]
    photo = np.full((80, 120, 4), 90, np.uint8)
    np.save(shown[1].pixels, photo)
    scores = torch.rand(600)
    overlays.selection_sheet(tmp_path / "new" / "a.png", gaussians, shown, first_ball(), SCRIPTS)
    overlays.heat_sheet(tmp_path / "b.png", gaussians, shown, scores, "cosine", 0.5, first_ball(), SCRIPTS)
    overlays.heat_sheet(tmp_path / "c.png", gaussians, shown, scores, "relevancy", None, None, "")
    overlays.heat_sheet(tmp_path / "d.png", gaussians, shown, scores * 0, "probability", 7.0, None, "none")
    things = [(SCRIPTS, first_ball(), (1.0, 0.0, 0.0))] * 30
    overlays.things_sheet(tmp_path / "e.png", gaussians, [view.frame for view in shown], things, SCRIPTS)
    overlays.things_sheet(tmp_path / "f.png", gaussians, shown, [], "no things")
    three, two = 3 * (overlays.WIDTH + 4) - 4, 2 * (overlays.WIDTH + 4) - 4
    widths = {"new/a.png": three, "b.png": three, "c.png": two, "e.png": two, "f.png": two}
    for name, width in widths.items():
        assert width <= size(tmp_path / name)[0] <= 2 * width
        assert size(tmp_path / name)[1] > 2 * overlays.WIDTH * 80 / 120
    assert size(tmp_path / "d.png")[1] > 500


def test_nothing_to_draw_on() -> None:
    with pytest.raises(InputError, match="--views"):
        overlays.selection_sheet(Path("x.png"), three_balls(), [], first_ball(), "")


def test_paint_tints_inside_and_leaves_the_rest() -> None:
    grey = np.full((20, 30, 3), 100, np.uint8)
    inside = torch.zeros(20, 30, dtype=torch.bool)
    inside[5:15, 5:20] = True
    painted = overlays.paint(grey, inside, (1.0, 0.0, 0.0))
    assert (painted[~inside.numpy()] == 100).all() and tuple(painted[5, 5]) == (255, 0, 0)
    assert painted[10, 10, 0] > 100 > painted[10, 10, 1] > 50
    assert (overlays.paint(grey, torch.zeros_like(inside), (1.0, 0.0, 0.0)) == grey).all()


def test_a_view_shows_which_thing_has_most_of_a_pixel(tmp_path: Path) -> None:
    things = [(str(i), torch.arange(600) // 200 == i, color) for i, color in enumerate(np.eye(3).tolist())]
    overlays.things_sheet(
        tmp_path / "a.png", three_balls(), views(tmp_path)[1:2], [(n, s, tuple(c)) for n, s, c in things], ""
    )
    with Image.open(tmp_path / "a.png") as image:
        colors = {color for _, color in image.crop((overlays.WIDTH + 4, 70, 2 * overlays.WIDTH, 300)).getcolors(99999)}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255)} <= colors, "outlines in the colours of the things"


def test_the_threshold_is_marked_or_said_to_be_beyond() -> None:
    heat = Heat(torch.zeros(1), 0.2, 0.8)
    plain = legends.bar(heat, "cosine", None)
    marked = legends.bar(heat, "cosine", 0.5)
    assert plain.shape == marked.shape and (plain != marked).any()
    assert (legends.bar(heat, "cosine", 0.9) != legends.bar(heat, "cosine", 0.8)).any()


def scene_of(folder: Path) -> Scene:
    scene = Scene(folder, tuple(views(folder, 8)), {}, {})
    scene.__dict__["gaussians"] = three_balls()
    return scene


def test_views_are_found_by_what_people_call_them(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    found = overlays.pick_views(scene, ("photo2.jpg", "photo3", "4"))
    assert [view.name for view in found] == ["photo2.jpg", "photo3.jpg", "photo4.jpg"]
    with pytest.raises(InputError, match=r"did you mean photo2\.jpg"):
        overlays.pick_views(scene, ("photo2.jpeg",))
    with pytest.raises(InputError, match=r"from photo0\.jpg to photo7\.jpg"):
        overlays.pick_views(scene, ("8",))
    with pytest.raises(InputError, match="no views"):
        overlays.find_view([], "1")
    several = [
        view.__class__(f"{folder}/1.jpg", view.camera, False, view.pixels)
        for view in scene.views[:1]
        for folder in "ab"
    ]
    with pytest.raises(InputError, match=r"a/1\.jpg and b/1\.jpg"):
        overlays.find_view(several, "1")


def test_views_show_what_was_selected(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    assert len(overlays.pick_views(scene, ())) == 4
    assert len(overlays.pick_views(scene, (), torch.zeros(600, dtype=torch.bool), count=3)) == 3
    hidden = scene.gaussians.replace(means=scene.gaussians.means + torch.tensor([0.0, 0.0, 500.0]))
    scene.__dict__["gaussians"] = hidden
    assert len(overlays.pick_views(scene, (), first_ball())) == 4, "never seen: views spread evenly"
    means = three_balls().means.clone()
    means[:200] = means[:200] - means[:200].mean(0) + torch.tensor([-2.0, 1.0, 0.0])
    scene.__dict__["gaussians"] = three_balls().replace(means=means)
    seen = overlays.pick_views(scene, (), first_ball(), count=2)
    frames = [view for view in scene.views if view.name in {v.name for v in seen}]
    assert len(seen) == 2 and frames == seen, "in the order of the scene"


def test_the_best_view_is_where_most_is_seen(tmp_path: Path) -> None:
    scene = scene_of(tmp_path)
    one = scene.views[3]
    back = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])) @ one.camera.world_to_camera  # turned round
    away = Camera(back, one.camera.intrinsics, 120, 80)
    turned = [view.__class__(view.name, away, False, view.pixels) for view in scene.views]
    turned[5] = one.__class__("it", one.camera, False, one.pixels)
    chosen = overlays.pick_views(Scene(tmp_path, tuple(turned), {}, {}), ("it",))
    assert chosen == [turned[5]]
    lonely = Scene(tmp_path, tuple(turned), {}, {})
    lonely.__dict__["gaussians"] = scene.gaussians
    assert overlays.pick_views(lonely, (), first_ball()) == [turned[5]], "the others do not see it at all"
