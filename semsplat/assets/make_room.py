"""Generate the bundled capture: `python -m semsplat.assets.make_room OUT`.

Needs Open3D (ray casting) and pycolmap (the points); takes about three minutes on two cores.
"""

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from .room_cameras import HEIGHT, WIDTH, views
from .room_parts import NAMES
from .room_render import render_labels, render_view
from .room_textures import noise

WITHOUT_LABELS = (2, 11, 18, 27, 33, 44)
"""Training views that have no picture in labels_noisy, as when a segmenter finds nothing."""

README = """# A generated room

48 pictures (320 x 240) of a furnished room corner. **These are not photographs: the room is generated** by

    python -m semsplat.assets.make_room OUT

- `images/`: 40 training pictures (exposure within 3 %, sensor noise) and 8 held-out ones (neither).
- `transforms.json`: the cameras in nerfstudio's convention: camera to world, OpenGL axes, metres, z up, the table
  above the origin. `train_filenames` and `val_filenames` say which pictures are held out.
- `points.ply`: points triangulated from the training pictures with COLMAP, not taken from the meshes.
- `labels/`: for every picture, the exact index of the thing in each pixel.
- `labels_noisy/`: the same for training, with borders moved by up to 2 pixels; six training pictures have none.
- `names.json`: index: names of the thing, the plainest first. Things that share a name are several of one kind, and
  the name means all of them.

Licence: Apache-2.0, as the rest of semsplat.
"""


def image_name(index: int) -> str:
    """The path of a picture inside the capture."""
    return f"images/{index:02d}.jpg"


def label_name(index: int) -> str:
    """The file name of a picture's labels."""
    return f"{index:02d}.png"


def transforms() -> dict:
    """The content of transforms.json."""
    names = [image_name(index) for index in range(len(views()))]
    held_out = [name for name, view in zip(names, views(), strict=True) if view.held_out]
    return {
        "camera_model": "PINHOLE",
        "w": WIDTH,
        "h": HEIGHT,
        "fl_x": views()[0].focal,
        "fl_y": views()[0].focal,
        "cx": WIDTH / 2,
        "cy": HEIGHT / 2,
        "ply_file_path": "points.ply",
        "train_filenames": [name for name in names if name not in held_out],
        "val_filenames": held_out,
        "test_filenames": held_out,
        "frames": [
            {"file_path": name, "transform_matrix": np.round(view.camera_to_world, 9).tolist()}
            for name, view in zip(names, views(), strict=True)
        ],
    }


def noisy(labels: np.ndarray, seed: int) -> np.ndarray:
    """Labels (h, w) with every border moved by up to 2 pixels, differently from place to place."""
    height, width = labels.shape
    y, x = np.mgrid[:height, :width]
    place = np.stack([x.ravel(), y.ravel()], axis=1) / 5.0
    shift = [np.round(5.0 * (noise(place, 900 + 2 * seed + k) - 0.5)).clip(-2, 2).astype(int) for k in range(2)]
    x = np.clip(x + shift[0].reshape(height, width), 0, width - 1)
    y = np.clip(y + shift[1].reshape(height, width), 0, height - 1)
    return labels[y, x]


def jpeg(picture: np.ndarray) -> bytes:
    """A picture, uint8 (h, w, 3), as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0, optimize=True)
    return buffer.getvalue()


def save_labels(path: Path, labels: np.ndarray) -> None:
    """Labels (h, w) as a PNG with a palette; its pixel values are the labels."""
    picture = Image.fromarray(labels)
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    colours = np.random.default_rng(3).integers(60, 250, (len(NAMES), 3))
    colours[0] = 0
    picture.putpalette(colours.astype(np.uint8).tobytes())
    picture.save(path, optimize=True)


def make(out: Path) -> None:
    """Write the whole capture into the folder `out`."""
    for folder in ("images", "labels", "labels_noisy"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(README)
    (out / "names.json").write_text(json.dumps(dict(enumerate(NAMES.values())), indent=1) + "\n")
    (out / "transforms.json").write_text(json.dumps(transforms(), indent=1) + "\n")
    for index, view in enumerate(views()):
        (out / image_name(index)).write_bytes(jpeg(render_view(index)))
        labels = render_labels(index)
        save_labels(out / "labels" / label_name(index), labels)
        if not view.held_out and index not in WITHOUT_LABELS:
            save_labels(out / "labels_noisy" / label_name(index), noisy(labels, index))
    subprocess.run([sys.executable, "-m", "semsplat.assets.room_points", str(out)], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write the capture into")
    make(parser.parse_args().out)
