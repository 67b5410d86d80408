"""A camera path: keyframes where the visitor stood, played on the page or drawn as a film."""

import threading
import time

import numpy as np

from ...splatting.camera import Camera
from .. import sharing
from ..browser import is_open, side_by_side
from ..page import Page, What
from ..sharing import SIZES
from .share import as_shown, aside, hand_over

FPS = 24.0  # pictures a second of a film
PLAYED = 30.0  # and on the page
EACH = 2.0  # seconds from one keyframe to the next, unless another length is chosen
INVITE = "Fly somewhere and **add a keyframe**, two at least: the camera goes smoothly from one to the next."
LINE, BLUE = "/path", (26, 115, 160)


class Travel:
    """Keyframes and films."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.keyframes: list[Camera] = []
        self._stop: threading.Event | None = None  # of what goes on now
        self._line = None
        gui = page.client.gui
        with gui.add_folder("Camera path"):
            self.text = gui.add_markdown(INVITE)
            self.add = gui.add_button("Add keyframe", icon="plus", hint="Where you stand now.")
            self.remove = gui.add_button("Remove", icon="minus", color="gray", hint="The chosen keyframe.")
            side_by_side(gui, [self.add, self.remove], 2)
            self.chosen = gui.add_dropdown("Keyframe", ["-"], visible=False, hint="Goes there.")
            self.seconds = gui.add_slider("Seconds", 1.0, 60.0, 0.5, 2.0 * EACH, visible=False)
            self.size = gui.add_dropdown("Film size", list(SIZES), visible=False, hint="In pixels.")
            self.play = gui.add_button("Play", icon="player-play", color="gray", visible=False)
            self.film = gui.add_button("Film", icon="movie", visible=False, hint="An .mp4 of what the page shows.")
            side_by_side(gui, [self.play, self.film], 2)
            self.cancel = gui.add_button("Stop", icon="player-stop", color="red", visible=False)
        self.add.on_click(lambda _: page.do(self._add))
        self.remove.on_click(lambda _: page.do(self._remove))
        self.chosen.on_update(lambda event: page.do(self._go) if event.client is not None else None)
        self.play.on_click(lambda _: page.do(self._play))
        self.film.on_click(lambda _: page.do(self._film))
        self.cancel.on_click(lambda _: self._stop.set() if self._stop else None)
        self._show()

    def refresh(self, what: What) -> None:
        """Nothing here depends on the scene."""

    def _show(self) -> None:
        count, busy = len(self.keyframes), self._stop is not None
        lacking = "One keyframe. Fly somewhere else and add another."
        self.text.content = INVITE if not count else lacking if count == 1 else ""
        self.text.visible = count < 2
        self.remove.disabled = not count
        self.chosen.visible = count > 0
        for handle in (self.seconds, self.size, self.play, self.film):
            handle.visible = count > 1
        for handle in (self.add, self.play, self.film):
            handle.disabled = busy
        self.remove.disabled = busy or not count
        self.cancel.visible = busy

    def _list(self, chosen: int) -> None:
        """Offer the keyframes; draw the way from one to the next."""
        count = len(self.keyframes)
        self.chosen.options = [f"{number + 1} of {count}" for number in range(count)] or ["-"]
        self.chosen.value = self.chosen.options[min(max(chosen, 0), max(count - 1, 0))]
        if self._line is not None:
            self._line.remove()
            self._line = None
        self._page.solids.discard(LINE)
        if count > 1:
            way = sharing.travel(self.keyframes, 1.0, 16.0 * count, (64, 64))
            points = np.stack([camera.center.cpu().numpy() for camera in way])
            self._line = self._page.client.scene.add_spline_catmull_rom(
                LINE, points, color=BLUE, thickness=3.0, thickness_units="screen"
            )
            self._page.solids.add(LINE)
        self._show()

    def _add(self) -> None:
        camera = self._page.camera()
        if camera is None:
            return
        self.keyframes.append(camera)
        if len(self.keyframes) > 1:
            self.seconds.value = min(EACH * (len(self.keyframes) - 1), 60.0)
        self._list(len(self.keyframes))

    def _number(self) -> int:
        return self.chosen.options.index(self.chosen.value)

    def _remove(self) -> None:
        if self.keyframes:
            number = self._number()
            del self.keyframes[number]
            self._list(number)

    def _go(self) -> None:
        if self.keyframes:
            page = self._page
            page.fly(sharing.standing(self.keyframes[self._number()], _reach(page), page.session.up.cpu()))

    def _begin(self) -> threading.Event:
        self._stop = threading.Event()
        self._show()
        return self._stop

    def _end(self) -> None:
        self._stop = None
        self._show()

    def _play(self) -> None:
        page, seconds = self._page, float(self.seconds.value)
        way = sharing.travel(self.keyframes, seconds, PLAYED, (64, 64))
        reach, stop = _reach(page), self._begin()

        def work() -> None:
            began = time.monotonic()
            try:
                while is_open(page.client) and not stop.wait(1.0 / PLAYED):
                    at = (time.monotonic() - began) / seconds
                    _stand(page, way[min(round(at * len(way)), len(way) - 1)], reach)
                    if at >= 1.0:
                        return
            finally:
                page.do(self._end)

        aside(page, work)

    def _film(self) -> None:
        page = self._page
        way = sharing.travel(self.keyframes, float(self.seconds.value), FPS, SIZES[self.size.value])
        gaussians, layer = as_shown(page, way[:: max(1, len(way) // 8)], False)
        stop = self._begin()

        def work() -> None:
            try:
                with page.progress("Drawing the film …") as report:
                    content = sharing.film(gaussians, layer, way, FPS, report, stop)
                hand_over(page, (page.session.title, page.look.shown), ".mp4", content)
            finally:
                page.do(self._end)

        aside(page, work)


def _reach(page: Page) -> float:
    """How far ahead of the page's camera the point is that it turns around."""
    camera = page.client.camera
    return float(np.linalg.norm(np.subtract(camera.look_at, camera.position)))


def _stand(page: Page, camera: Camera, reach: float) -> None:
    pose = sharing.standing(camera, reach, page.session.up.cpu())
    shown = page.client.camera
    with page.client.atomic():
        shown.up_direction = tuple(pose.up.tolist())
        shown.position, shown.look_at = pose.position.double().numpy(), pose.target.double().numpy()
        shown.fov = pose.fov
    page.client.flush()
