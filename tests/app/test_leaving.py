"""What leaves a page as a file is what the command line exports."""

import io
import json
import zipfile

import pytest
import torch
import trimesh
from small_scenes import three_balls

from semsplat.app import leaving
from semsplat.app.leaving import Form, Place
from semsplat.app.session import Session
from semsplat.splatting import formats
from semsplat.splatting.errors import InputError


def balls(*numbers):
    def choose(source):
        return [source.part(f"ball {n}", torch.arange(200 * n, 200 * n + 200), {}) for n in numbers]

    return choose


def test_a_part_in_every_format(tmp_path):
    session = Session(three_balls())
    for form in leaving.forms(session):
        if form.kind == "gaussians":
            suffix, content = leaving.written(session, balls(1), form, Place(), print)
            if suffix == ".zip":
                continue
            path = tmp_path / f"part{suffix}"
            path.write_bytes(content)
            again = formats.read(path)
            assert len(again) == 200
            assert float(torch.cdist(again.means, session.gaussians.means[200:400]).amin(1).max()) < 0.01


def test_it_stands_where_it_is_asked_to(tmp_path):
    session = Session(three_balls())
    place = Place(center=True, scale=10.0)
    suffix, content = leaving.written(session, balls(2), Form("gaussians", ".ply"), place, print)
    path = tmp_path / f"part{suffix}"
    path.write_bytes(content)
    means, before = formats.read(path).means, session.gaussians.means[400:]
    assert means[:, [0, 2]].mean(0).abs().max() < 0.5  # without photos y is down; the origin is where it stands
    torch.testing.assert_close(means - means[0], 10.0 * (before - before[0]), atol=1e-3, rtol=1e-4)


def test_several_things_are_several_files_and_two_of_a_name_are_two():
    def choose(source):
        return [source.part("ball", torch.arange(200 * n, 200 * n + 200), {}) for n in (0, 1)]

    suffix, content = leaving.written(Session(three_balls()), choose, Form("gaussians", ".splat"), Place(), print)
    assert suffix == ".zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len({name for name in archive.namelist() if name.endswith(".splat")}) == 2


@pytest.mark.slow
def test_a_mesh_and_what_is_said_meanwhile():
    said = []
    suffix, content = leaving.written(Session(three_balls()), balls(0), Form("mesh", ".glb"), Place(), said.append)
    mesh = trimesh.load(io.BytesIO(content), file_type="glb", force="mesh")
    assert suffix == ".glb" and len(mesh.faces) > 100 and any("triangles" in text for text in said)


def test_masks_of_a_scene_with_photos(room):
    session = Session.at(room)
    forms = {form.title: form for form in leaving.forms(session)}
    ids = session.gaussians.ids[:300]
    suffix, content = leaving.written(
        session, lambda source: [source.part("some", ids, {})], forms["Masks of all photos (with COCO)"], Place(), print
    )
    assert suffix == ".zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        coco = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("annotations.json"))))
    assert [category["name"] for category in coco["categories"]] == ["some"]


def test_a_file_of_gaussians_has_no_photos_and_nothing_is_no_file():
    session = Session(three_balls())
    assert not any("photos" in form.title for form in leaving.forms(session))
    with pytest.raises(InputError, match="nothing to save"):
        leaving.written(session, lambda source: [], Form("gaussians", ".ply"), Place(), print)
    with pytest.raises(InputError, match="nothing to save"):
        leaving.written(Session(three_balls()[:0]), lambda source: None, Form("gaussians", ".ply"), Place(), print)
