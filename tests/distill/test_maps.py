"""Maps on disk: looked at once, small, resumable, made again when something changed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_maps import HEIGHT, WIDTH, Seer, frames, truth

from semsplat.distill import maps
from semsplat.distill.maps import MOST_BYTES
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import InputError


class Wide(Seer):
    """Many channels on a fine grid, of no low rank."""

    def look(self, image: torch.Tensor, name: str = "") -> torch.Tensor:
        self.looked.append(name)
        make = torch.Generator().manual_seed(int(name[0]))
        smooth = torch.randn(12, 16, self.channels, generator=make).permute(2, 0, 1)[None]
        return torch.nn.functional.interpolate(smooth, self.grid, mode="bilinear")[0].permute(1, 2, 0) + 1.0


def test_few_channels_are_kept_exactly(tmp_path: Path) -> None:
    shown = frames(tmp_path)
    teacher = Seer(shown, truth())
    made = maps.make(shown, teacher, tmp_path / "maps", 8)
    assert made.dimension == 5 and made.facts["compression_error"] == 0
    seen, wanted = made.read("3.jpg"), teacher.look(torch.zeros(HEIGHT, WIDTH, 3), "3.jpg")
    torch.testing.assert_close(seen.codes, wanted, atol=1e-3, rtol=0)
    assert torch.equal(seen.known[..., 0], (wanted != 0).any(-1).float())
    torch.testing.assert_close(seen.lengths[..., 0], wanted.norm(dim=-1), atol=1e-3, rtol=0)


@pytest.mark.slow
def test_many_channels_stay_under_two_megabytes_and_say_what_is_lost(tmp_path: Path) -> None:
    pixels = np.zeros((120, 160, 3), np.uint8)
    np.save(tmp_path / "p.npy", pixels)
    camera = frames(tmp_path / "f", 1)[0].camera.resized(160, 120)
    shown = [Frame(f"{i}.jpg", camera, tmp_path / "p.npy") for i in range(2)]
    teacher = Wide(shown, torch.zeros(1, 512), (120, 160))
    made = maps.make(shown, teacher, tmp_path / "maps", 64)
    assert made.dimension == 64 and made.facts["largest_map_bytes"] <= MOST_BYTES
    seen = made.read("1.jpg")
    features = torch.nn.functional.interpolate(
        teacher.look(pixels, "1.jpg").permute(2, 0, 1)[None], seen.known.shape[:2], mode="area"
    )[0].permute(1, 2, 0)
    lost = (features - seen.codes @ made.basis.rows).norm() / features.norm()
    assert made.facts["compression_error"] == pytest.approx(float(lost), rel=0.1)
    cosine = torch.nn.functional.cosine_similarity(features, seen.codes @ made.basis.rows, dim=-1).mean()
    assert made.facts["compression_cosine"] == pytest.approx(float(cosine), abs=0.01)


def test_a_run_that_was_cut_off_goes_on_and_what_changed_is_made_again(tmp_path: Path) -> None:
    shown = frames(tmp_path)
    teacher = Seer(shown, truth())

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maps.make(shown, teacher, tmp_path / "maps", 8, report=stop)
    whole = maps.make(shown, teacher, tmp_path / "maps", 8)
    assert teacher.looked == [f.name for f in shown]
    teacher.looked.clear()
    pixels = np.load(shown[2].pixels)
    np.save(shown[2].pixels, 255 - pixels)
    whole.paths["5.jpg"].write_bytes(b"cut")
    maps.make(shown, teacher, tmp_path / "maps", 8)
    assert teacher.looked == ["2.jpg", "5.jpg"]
    other = Seer(shown, truth(), setting=1)
    maps.make(shown[:4], other, tmp_path / "maps", 8)
    assert len(other.looked) == 4 and len(list((tmp_path / "maps").iterdir())) == 4


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (lambda f: f[..., :2], "is 36 x 48 x 2, not height x width x 5"),
        (lambda f: f / 0.0, "not finite"),
        (lambda f: f[0], "not height x width x 5"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(tmp_path: Path, bad, sentence: str) -> None:
    shown = frames(tmp_path, 2)

    class Odd(Seer):
        def look(self, image, name=""):
            return bad(super().look(image, name))

    look = Odd.look
    Odd.look = getattr(look, "__wrapped__", look)
    with pytest.raises(InputError, match=sentence):
        maps.make(shown, Odd(shown, truth()), tmp_path / "maps", 8)


def test_photos_without_a_map_are_left_out(tmp_path: Path) -> None:
    shown = frames(tmp_path, 4)
    teacher = Seer(shown, truth())
    teacher.has = lambda name: name == "1.jpg"
    assert list(maps.make(shown, teacher, tmp_path / "maps", 8).paths) == ["1.jpg"]
    teacher.has = lambda name: False
    with pytest.raises(InputError, match="a map for none of the 4 photos"):
        maps.make(shown, teacher, tmp_path / "maps", 8)


def test_weights_of_a_photo_say_what_is_known(tmp_path: Path) -> None:
    shown = frames(tmp_path, 2)
    weight = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    weight[:, WIDTH // 2 :] = 255
    for frame in shown:
        np.save(frame.pixels, np.dstack([np.load(frame.pixels), weight]))
    seen = maps.make(shown, Seer(shown, truth()), tmp_path / "maps", 8).read("0.jpg")
    assert (seen.known[:, : WIDTH // 2] == 0).all() and seen.known[:, WIDTH // 2 :].max() == 1
