"""Pictures from the server in a real browser: they lie where the browser's own splats lie, in the same colours."""

import io

import numpy as np
import pytest
import torch
from pages import PAINTED, new_context, until
from PIL import Image
from small_scenes import pixel_of, three_balls

from semsplat.app.browser import Server, camera_of
from semsplat.app.layers import Depth, Rgb
from semsplat.app.pictures import to_bytes
from semsplat.app.stream import Stream
from semsplat.splatting.project import covariances
from semsplat.splatting.splat import splat

pytestmark = pytest.mark.browser
SIZE = {"width": 600, "height": 400}
GREY = (0.5, 0.5, 0.5)
TWO_FRAMES = """async () => {
  const { render } = window.__viserTestpoints.rendererInfo, frame = render.frame;
  while (render.frame < frame + 2) {
    window.__viserMutable.requestRender();
    await new Promise((done) => requestAnimationFrame(done));
  }
}"""
TEXTURE = "() => window.__viserMutable.backgroundMaterial.uniforms.colorMap.value?.uuid ?? null"


class Draw:
    """Draws three balls, with depth."""

    def __init__(self, gaussians):
        self.gaussians, self.layer, self.count = gaussians, Rgb(background=GREY), 0

    @torch.no_grad()
    def __call__(self, camera, still):
        self.count += 1
        depth = splat(self.gaussians, camera).depth()[..., 0].numpy() if still else None
        return to_bytes(self.layer.picture(self.gaussians, camera)), depth


class Streamed:
    """A page that is sent pictures."""

    def __init__(self, chromium):
        self.server, self.draw, self.errors = Server("127.0.0.1", 0, "pictures"), Draw(three_balls()), []
        start, clients = self.server.viser.initial_camera, []
        start.position, start.look_at, start.up, start.fov = (0.0, -5.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.785

        async def welcome(client):
            clients.append(client)

        self.server.viser.on_client_connect(welcome)
        self.tab = new_context(chromium, viewport=SIZE).new_page()
        self.tab.goto(f"{self.server.url}/?fixedDpr=1")
        self.client = until(lambda: clients and clients[0])
        until(lambda: camera_of(self.client))
        until(lambda: self.tab.evaluate("window.semsplat?.software !== undefined"))
        until(lambda: not self.tab.get_by_text("Software WebGL rendering detected").count())  # it covers the scene
        self.stream = Stream(self.client, self.draw, self.errors.append)
        self.client.camera.on_update(self.moved)

    async def moved(self, _):
        self.stream.moved()

    def settle(self):
        """Until the last picture was taken and painted; returns what is seen."""
        until(lambda: self.stream.stats.sharp and np.abs(self.shot() - self.expected()).mean() < 1.5)  # JPEG
        return self.shot()

    def drawn(self, node=None):
        """Until two more frames were drawn, with a node of the scene."""
        if node is not None:
            self.tab.wait_for_function("name => window.__viserMutable.nodeRefFromName[name]", arg=node)
        self.tab.evaluate(TWO_FRAMES)

    def shot(self):
        """What is seen left of the panel."""
        picture = Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB")
        return np.asarray(picture, dtype=np.float64)[:, :250]

    def expected(self):
        with torch.no_grad():
            return to_bytes(self.draw.layer.picture(self.draw.gaussians, camera_of(self.client)))[:, :250]

    def close(self):
        self.stream.stop()
        self.tab.context.close()
        self.server.stop()
        assert not self.errors


@pytest.fixture
def page(chromium):
    page = Streamed(chromium)
    page.settle()
    yield page
    page.close()


def test_pictures_and_splats_agree_to_a_pixel(page):
    picture = page.settle()
    page.stream.stop()
    page.client.scene.set_background_image(np.full((40, 60, 3), 128, np.uint8), format="png")
    gaussians = page.draw.gaussians
    page.server.viser.scene.add_gaussian_splats(
        "/balls",
        centers=gaussians.means.numpy(),
        covariances=covariances(gaussians.double()).float().numpy(),
        rgbs=gaussians.colors(camera_of(page.client)).clamp(0, 1).numpy(),
        opacities=gaussians.opacities.numpy()[:, None],
    )
    until(lambda: page.tab.evaluate(PAINTED, 600))
    until(lambda: np.abs(page.shot()[-5:, :5] - 128).max() < 3)  # the grey behind them
    splats = page.shot()
    assert np.abs(splats - 128).mean() > 5  # there are some
    differences = {
        (x, y): np.abs(np.roll(picture, (y, x), (0, 1))[4:-4, 4:-4] - splats[4:-4, 4:-4]).mean()
        for x in range(-3, 4)
        for y in range(-3, 4)
    }
    assert min(differences, key=differences.get) == (0, 0)
    assert differences[0, 0] < 3.0


def test_a_moved_camera_and_another_layer_are_seen_sharply(page):
    before, sent = page.shot(), page.stream.stats.frames
    page.tab.mouse.move(100, 300)
    page.tab.mouse.down()
    page.tab.mouse.move(180, 280, steps=8)
    page.tab.mouse.up()
    until(lambda: page.stream.stats.frames > sent)
    until(lambda: np.abs(page.settle() - before).mean() > 3)  # viser's camera glides to rest
    after = page.settle()
    page.draw.layer = Depth(background=GREY)
    page.stream.refresh()
    assert np.abs(page.settle() - after).mean() > 1.5


def test_what_the_page_draws_itself_is_hidden_by_what_is_in_front_of_it(page):
    red = (-1.2, -1.0, 0.0)
    x, y = (round(v) for v in pixel_of(camera_of(page.client), red))
    add, dot = page.server.viser.scene.add_point_cloud, np.zeros((1, 3), np.float32)
    behind = add("/mark", dot, (255, 255, 0), point_size=0.2, position=(-1.2 * 6 / 4, 1.0, 0.0))
    page.drawn("/mark")
    ball = page.shot()[y, x]
    assert ball[0] > 150 and ball[1] < 100  # red
    behind.position = (-1.2 * 2 / 4, -3.0, 0.0)
    until(lambda: page.shot()[y, x][1] > 100)  # yellow


def test_stopping_leaves_no_picture_behind(page):
    assert page.tab.evaluate(TEXTURE)
    page.stream.stop()
    until(lambda: page.tab.evaluate(TEXTURE) is None)
