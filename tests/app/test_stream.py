"""Pictures from the server: which are drawn, how large, and that a page gets no more than it takes."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from semsplat.app.ladder import SIZES, Ladder
from semsplat.app.stream import FAR, Stream, Turns, coded_depth

WIDTH, HEIGHT = 240, 120


class Page:
    """A page that takes pictures after ``seconds``, in order, or never."""

    def __init__(self, seconds=0.0):
        self.seconds, self.pictures, self.gone, self.taken = seconds, [], threading.Event(), 0
        self.camera = SimpleNamespace(
            wxyz=(1.0, 0.0, 0.0, 0.0), position=(0.0, 0.0, 0.0), fov=1.0, image_width=WIDTH, image_height=HEIGHT
        )
        self.scene = self.local_storage = self._viser_server = self
        self.client_id = 7

    def set_background_image(self, image, format="", jpeg_quality=0, depth=None):
        self.pictures.append(SimpleNamespace(image=image, quality=jpeg_quality, depth=depth, at=time.monotonic()))

    def flush(self):
        pass

    def get_clients(self):
        return {} if self.gone.is_set() else {7: self}

    def get_item(self, key):
        if self.gone.wait(self.seconds):
            raise RuntimeError("localStorage request failed: the client disconnected")
        self.taken += 1

    def move(self, x):
        self.camera.position = (x, 0.0, 0.0)


class Scene:
    """Draws where the camera is; takes ``fixed`` seconds, and ``pixels`` for a whole picture of the page."""

    def __init__(self, fixed=0.0, pixels=0.0, depth=None):
        self.fixed, self.pixels, self.depth, self.drawn = fixed, pixels, depth, []

    def __call__(self, camera, still):
        self.drawn.append((camera.width, still, round(camera.center[0].item(), 3)))
        time.sleep(self.fixed + self.pixels * camera.width * camera.height / (WIDTH * HEIGHT))
        picture = np.zeros((camera.height, camera.width, 3), np.uint8)
        return picture, None if self.depth is None else np.full(picture.shape[:2], self.depth, np.float32)


@pytest.fixture
def streams():
    made = []

    def make(page, draw, failed=None, **options):
        made.append(Stream(page, draw, failed or unforeseen, **options))
        return made[-1]

    yield make
    for stream in made:
        stream.stop()
        stream._client.gone.set()
    until(lambda: not any(t.name == "semsplat-stream" for t in threading.enumerate()))


def unforeseen(error):
    raise AssertionError(error)


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return value


def wander(page, stream, seconds):
    """A camera that moves 50 times a second."""
    end, x = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        x += 1.0
        page.move(x)
        stream.moved()
        time.sleep(0.02)
    return x


def test_a_new_page_gets_a_quick_picture_and_then_a_sharp_one(streams):
    page, scene = Page(), Scene(depth=2.0)
    stream = streams(page, scene)
    until(lambda: stream.stats.sharp)
    (first, *_), last = page.pictures, page.pictures[-1]
    assert first.image.shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert first.quality == 60 and first.depth is None
    assert last.image.shape == (HEIGHT, WIDTH, 3)
    assert last.quality == 90 and last.depth.max() == pytest.approx(2.0)
    time.sleep(0.3)
    assert stream.stats.frames == len(page.pictures) == len(scene.drawn)  # and then nothing


@pytest.mark.slow
def test_while_the_camera_moves_pictures_are_small_and_then_a_sharp_one_of_where_it_came_to_rest(streams):
    page, scene = Page(), Scene(pixels=0.3)
    stream = streams(page, scene)
    until(lambda: stream.stats.sharp)
    scene.drawn.clear()
    x = wander(page, stream, 1.0)
    stopped, moving = time.monotonic(), list(scene.drawn)
    until(lambda: stream.stats.sharp)
    assert not any(still for _, still, _ in moving)
    assert len(moving) >= 10
    assert np.median([width for width, _, _ in moving]) <= 0.5 * WIDTH
    assert scene.drawn[-1] == (WIDTH, True, x)
    assert 0.2 <= page.pictures[-1].at - stopped < 1.2


@pytest.mark.slow
def test_what_is_drawn_is_the_newest_camera(streams):
    page, scene = Page(), Scene(fixed=0.1)
    stream = streams(page, scene)
    until(lambda: stream.stats.sharp)
    for x in (1.0, 2.0, 3.0, 4.0):
        page.move(x)
        stream.moved()
    until(lambda: stream.stats.sharp)
    assert {place for _, _, place in scene.drawn if place} == {4.0}


@pytest.mark.slow
def test_a_slow_full_picture_is_approached_in_steps_and_given_up_when_the_camera_moves(streams):
    page, scene = Page(), Scene(pixels=1.6)
    stream = streams(page, scene)
    until(lambda: stream.stats.frames >= 2)
    wander(page, stream, 2.0)
    until(lambda: stream.stats.sharp)
    widths = [width for width, _, place in scene.drawn if place == scene.drawn[-1][2]]
    assert widths == sorted(widths) and len(set(widths)) >= 3
    scene.drawn.clear()
    wander(page, stream, 0.3)
    until(lambda: any(width > 0.3 * WIDTH for width, _, _ in scene.drawn))  # it sharpens
    place, before = scene.drawn[-1][2], len(scene.drawn)
    page.move(-1.0)
    stream.moved()
    until(lambda: any(x == -1.0 for _, _, x in scene.drawn))
    assert (WIDTH, True, place) not in scene.drawn[before + 1 :]  # one may have been on its way


def test_a_changed_scene_is_drawn_anew(streams):
    page, scene = Page(), Scene()
    stream = streams(page, scene)
    until(lambda: stream.stats.sharp)
    before = len(page.pictures)
    stream.refresh()
    until(lambda: stream.stats.sharp)
    assert len(page.pictures) == before + 1 and page.pictures[-1].quality == 90


@pytest.mark.slow
def test_a_slow_page_gets_fewer_pictures_and_fresh_ones(streams):
    page = Page(seconds=0.15)
    scene = Scene(fixed=0.01)
    stream = streams(page, scene)
    until(lambda: stream.stats.sharp)
    before = len(page.pictures)
    x = wander(page, stream, 1.2)
    assert 5 <= len(page.pictures) - before <= 9
    assert x - scene.drawn[-1][2] <= 12  # steps of 20 ms
    sent = [later.at - earlier.at for earlier, later in zip(page.pictures, page.pictures[1:], strict=False)]
    assert min(sent) > 0.14  # never two on the way


@pytest.mark.slow
def test_a_page_that_hangs_holds_nobody_up(streams):
    turns, hanging, page = Turns(), Page(seconds=60.0), Page()
    stuck = streams(hanging, Scene(), turns=turns)
    until(lambda: hanging.pictures)
    stream = streams(page, Scene(), turns=turns)
    until(lambda: stream.stats.sharp)
    wander(page, stream, 0.3)
    wander(hanging, stuck, 0.3)
    assert len(hanging.pictures) == 1
    assert stream.stats.frames > 5
    stuck.stop()
    assert hanging.pictures[-1].image is None


@pytest.mark.slow
def test_errors_are_told_and_the_next_picture_is_drawn(streams):
    errors, page, scene = [], Page(), Scene()

    def draw(camera, still):
        if camera.center[0] == 1.0:
            raise ValueError("no picture from here")
        return scene(camera, still)

    stream = streams(page, draw, errors.append)
    until(lambda: stream.stats.sharp)
    page.move(1.0)
    stream.moved()
    until(lambda: errors)
    page.move(2.0)
    stream.moved()
    until(lambda: scene.drawn[-1] == (WIDTH, True, 2.0))
    assert [str(error) for error in errors] == ["no picture from here"]


def test_stopping_takes_the_picture_away_unless_the_page_is_gone(streams):
    page, other = Page(), Page()
    stays, goes = streams(page, Scene()), streams(other, Scene())
    until(lambda: stays.stats.sharp and goes.stats.sharp)
    stays.stop()
    stays.stop()
    other.gone.set()
    goes.stop()
    for stream in (stays, goes):
        stream.moved()
    time.sleep(0.1)
    assert [picture.image is None for picture in page.pictures].count(True) == 1
    assert page.pictures[-1].image is None
    assert all(picture.image is not None for picture in other.pictures)


def test_a_page_that_vanishes_is_sent_nothing_more(streams):
    page = Page(seconds=0.05)
    stream = streams(page, Scene())
    until(lambda: page.pictures)
    page.gone.set()
    time.sleep(0.1)
    count = len(page.pictures)
    wander(page, stream, 0.2)
    assert len(page.pictures) == count


def test_a_page_without_a_size_is_waited_for(streams):
    page, scene = Page(), Scene()
    page.camera.image_width = 0
    stream = streams(page, scene)
    time.sleep(0.1)
    assert not scene.drawn
    page.camera.image_width = WIDTH
    stream.moved()
    until(lambda: stream.stats.sharp)


def test_pages_take_turns():
    turns, order, ready = Turns(), [], []

    def work(name):
        for _ in range(5):
            with turns:
                order.append(name)
                time.sleep(0.02)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with turns:
        for thread in threads:
            thread.start()
            until(lambda: len(turns._waiting) == len(ready) + 1)
            ready.append(thread)
    for thread in threads:
        thread.join(10)
    assert order == list("abc" * 5)


def run(ladder, seconds, pictures=30):
    """Levels of pictures that take ``seconds(share of the pixels)``."""
    levels = []
    for _ in range(pictures):
        level = ladder.moving()
        levels.append(level)
        ladder.took(level, seconds(SIZES[level] ** 2))
    return levels


def test_the_ladder_finds_the_finest_size_in_time():
    assert set(run(Ladder(0.08), lambda share: 0.01 + 0.05 * share)[5:]) == {0}
    assert set(run(Ladder(0.08), lambda share: 0.01 + 0.2 * share)[5:]) == {2}
    assert set(run(Ladder(0.08), lambda share: 0.001 + 2.0 * share)[10:]) == {5}


def test_the_ladder_does_not_pay_for_what_is_fixed_with_pixels():
    assert set(run(Ladder(0.08), lambda share: 0.2 + 0.01 * share)[10:]) == {0}
    assert set(run(Ladder(0.08), lambda share: 0.2 + 0.3 * share)[10:]) <= {2, 3}


def test_the_ladder_follows_the_scene():
    ladder = Ladder(0.08)
    run(ladder, lambda share: 0.01 + 0.05 * share)
    assert set(run(ladder, lambda share: 0.01 + 0.6 * share)[15:]) <= {3, 4}
    assert set(run(ladder, lambda share: 0.01 + 0.05 * share, 80)[60:]) == {0}


def test_one_slow_picture_and_the_very_first_do_not_count_much():
    ladder = Ladder(0.08)
    ladder.took(ladder.moving(), 5.0)  # compiles
    run(ladder, lambda share: 0.01 + 0.05 * share)
    ladder.took(0, 3.0)
    assert set(run(ladder, lambda share: 0.01 + 0.05 * share)) <= {0, 1, 2}
    assert set(run(ladder, lambda share: 0.01 + 0.05 * share)) == {0}


def test_a_still_picture_is_drawn_at_once_if_that_is_quick():
    ladder = Ladder(0.08)
    run(ladder, lambda share: 0.01 + 0.15 * share)
    assert ladder.finer(ladder.level) == 0
    run(ladder, lambda share: 0.01 + 4.0 * share)
    steps = [ladder.level]
    while steps[-1]:
        steps.append(ladder.finer(steps[-1]))
    assert len(steps) >= 3 and steps == sorted(steps, reverse=True)


def test_depth_is_sent_small_and_rounded_to_a_thousandth():
    depth = np.linspace(0.1, 500.0, 1300 * 700, dtype=np.float32).reshape(700, 1300)
    depth[0:20] = 0.0
    coded = coded_depth(depth)
    assert max(coded.shape) <= 640
    step = 3
    given = depth[step // 2 :: step, step // 2 :: step]
    near = (given > 0) & (given < FAR)
    assert coded.shape == given.shape
    assert np.abs(coded / np.where(near, given, 1.0) - 1.0)[near].max() < 1e-3
    assert (coded[~near] == FAR).all()


@pytest.mark.slow
def test_pages_that_share_a_processor_both_get_smaller_pictures(streams):
    turns, pages = Turns(), (Page(), Page())
    scenes = [Scene(pixels=0.3), Scene(pixels=0.3)]
    both = [streams(page, scene, turns=turns) for page, scene in zip(pages, scenes, strict=True)]
    until(lambda: all(stream.stats.sharp for stream in both))
    movers = [
        threading.Thread(target=wander, args=(page, stream, 2.0)) for page, stream in zip(pages, both, strict=True)
    ]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    for scene in scenes:
        moving = [width for width, _, place in scene.drawn if 0 < place < scene.drawn[-1][2]]
        assert len(moving) > 10
        assert np.median(moving) <= 0.35 * WIDTH
