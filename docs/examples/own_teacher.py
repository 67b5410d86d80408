"""A 2D model of your own gives meaning to a scene; this one sees hues: python own_teacher.py SCENE WORD OUT.ply"""

import sys

import torch

from semsplat.app.scene import Scene
from semsplat.distill import fit, maps
from semsplat.distill.field import StoredField, attach
from semsplat.distill.teachers.base import Card, TextTeacher
from semsplat.splatting import formats

ANGLES = {"red": 0.0, "yellow": 60.0, "green": 120.0, "cyan": 180.0, "blue": 240.0, "magenta": 300.0}


class Hues(TextTeacher):
    card, channels = Card("hues", "six hues by their names", "Apache-2.0", channels=3, words=True), 3

    def look(self, image, name=""):  # (h, w, 3) in [0, 1] -> (u, v, channels), any grid that covers the picture
        red, green, blue = image.unbind(-1)
        across, along = red - 0.5 * (green + blue), 0.866 * (green - blue)
        return torch.stack([across, along, torch.full_like(red, 0.15)], dim=-1)  # grey is like none of the words

    def read(self, texts):  # unit vectors in the space of the maps
        angles = torch.tensor([ANGLES[text] for text in texts]).deg2rad()
        return torch.stack([angles.cos(), angles.sin(), torch.zeros(len(texts))], dim=-1)

    def memory(self):  # JSON: maps are made again when it changes
        return {"version": 1}


scene, teacher = Scene.open(sys.argv[1]), Hues()
made = maps.make(scene.frames, teacher, scene.folder / "cache" / "maps" / "hues", dimension=3)
lifted = fit.lift(scene.gaussians, scene.frames, made)
stored = StoredField("hues", scene.gaussians.ids, lifted.codes, lifted.reliability, made.basis.rows, teacher.memory())
gaussians, fields = attach(scene.gaussians, [stored])
scores = fields["hues"].scores(fields["hues"].codes(gaussians), teacher.read([sys.argv[2]]))[:, 0]
formats.write(sys.argv[3], gaussians[scores > 0.8])
print(f"{int((scores > 0.8).sum()):,} of {len(gaussians):,} Gaussians are {sys.argv[2]}")
