"""What is shown of the scene, and how."""

from ..look import COLOUR, FEATURES, HEAT, NAMES, OBJECTS, PLAIN
from ..page import Page, What

HINTS = {title: layer.hint for title, layer in PLAIN.items()} | {
    FEATURES: "Like colours mean like features.",
    HEAT: "How well each place answers the question.",
    NAMES: "Which of the names each place is.",
    OBJECTS: "The named things, each in its colour.",
}


class View:
    """Layer, photos, light or dark."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui, session = page.client.gui, page.session
        self.layer = gui.add_dropdown(
            "Show", page.look.layers(session), hint=" ".join(f"{title}: {hint}" for title, hint in HINTS.items())
        )
        self.photos = gui.add_checkbox(
            "Photos",
            False,
            disabled=not session.views,
            hint="Where the photos were taken. Click one to stand there. Orange ones were held out of the fit."
            if session.views
            else "This scene has no photos: it was opened from a splat file alone.",
        )
        self.dark = gui.add_checkbox("Dark page", page.dark, hint="Light or dark; this browser remembers it.")
        self.home = gui.add_button("Back to the start", icon="home", hint="Stand where the page opened.", color="gray")
        self.layer.on_update(lambda _: page.do(self._changed))
        self.photos.on_update(lambda _: page.do(self._show_photos))
        self.dark.on_update(lambda _: page.do(self._change_theme))
        self.home.on_click(lambda _: page.do(lambda: page.fly(page.viewer.opening)))

    def refresh(self, what: What) -> None:
        """Offer the layers that there are, and show which is seen."""
        titles = tuple(self._page.look.layers(self._page.session))
        if self.layer.options != titles:
            self.layer.options = titles
        if self._page.look.shown not in titles:
            self._page.look.shown = COLOUR
        if self.layer.value != self._page.look.shown:
            self.layer.value = self._page.look.shown

    def _changed(self) -> None:
        if self.layer.value != self._page.look.shown:
            self._page.show(self.layer.value)

    def _show_photos(self) -> None:
        self._page.photos.show(self.photos.value)
        self._page.photos.make_room(self._page.camera())

    def _change_theme(self) -> None:
        server = self._page.viewer.server
        if server is not None:
            self._page.dark = self.dark.value
            server.use_theme(self._page.client, self.dark.value)
