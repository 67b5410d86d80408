"""What is shown of the scene, and how."""

from typing import Any

from ...distill.palette import color_of
from ..browser import escaped, side_by_side
from ..layers import Layer
from ..layers_meaning import Features, Heat, Things
from ..look import COLOUR, FEATURES, HEAT, NAMES, OBJECTS, PLAIN, teacher_of
from ..page import Page, What
from .legend import legend

HINTS = {title: layer.hint for title, layer in PLAIN.items()} | {
    FEATURES: Features.hint,
    HEAT: Heat.hint,
    NAMES: "Which of the names each place is.",
    OBJECTS: Things.hint,
}
KEYS = dict(zip(HINTS, "1234567890", strict=True))
MISSING = {
    FEATURES: "This scene has no features. Make some: semsplat distill SCENE --teacher dino",
    HEAT: "Nothing was asked yet: type what you look for.",
    NAMES: "Ask for several names between commas, such as: chair, table.",
    OBJECTS: "No object has a name yet: pick something and keep it.",
}
MIDDLE = 0.5
CHANNELS = ("Red", "Green", "Blue")


class View:
    """Layer, comparison, light or dark."""

    def __init__(self, page: Page) -> None:
        self._page, self._waiting, self._border, self._sent = page, False, MIDDLE, ""
        self._drawn: Layer = PLAIN[COLOUR]
        gui = page.client.gui
        self.layer = gui.add_dropdown(
            "Show", page.look.layers(page.session), hint="Ways to look at the scene; the keys 1 to 9 and 0 choose, too."
        )
        self.said = gui.add_markdown("")
        self.legend = gui.add_html("")
        self._add_features(gui)
        self._add_comparison(gui)
        self._add_page(gui)
        self._add_commands(gui)
        page.watchers.append(self._seen)

    def refresh(self, what: What) -> None:
        """Offer the layers that there are, and show which is seen."""
        look, session = self._page.look, self._page.session
        titles = tuple(look.layers(session))
        if look.shown not in titles:
            look.shown = COLOUR
        put(self.layer, options=titles)
        put(self.layer, value=look.shown)
        put(self.said, content=escaped(HINTS[look.shown]))
        plain = look.shown == COLOUR
        put(self.opacity, visible=not plain, value=look.opacity)
        put(self.compare, visible=not plain, value=look.split is not None)
        put(self.border, visible=not plain and look.split is not None)
        self._show_features(look.shown == FEATURES)
        self._show_legend()
        share = "null" if plain or look.split is None else f"{look.split:.4f}"
        self._script(f"window.semsplat?.border?.({share})")

    def _add_features(self, gui: Any) -> None:
        page = self._page
        self.teacher = gui.add_dropdown("Features of", ["-"], hint="Whose features are shown.", visible=False)
        self.all = gui.add_checkbox(
            "All components", True, visible=False, hint="Off: choose which three are red, green and blue."
        )
        self.channels = [
            gui.add_dropdown(name, ["-"], visible=False, hint="Component, and how much of all variation it is.")
            for name in CHANNELS
        ]
        self.teacher.on_update(lambda event: self._told(event, self._choose_teacher))
        self.all.on_update(lambda event: self._told(event, self._choose_components))
        for channel in self.channels:
            channel.on_update(lambda event: self._told(event, self._choose_components))
        self.layer.on_update(lambda event: self._told(event, lambda: page.show(self.layer.value)))

    def _add_comparison(self, gui: Any) -> None:
        page = self._page
        self.opacity = gui.add_slider(
            "Opacity", 0.0, 1.0, 0.01, page.look.opacity, hint="Of what is shown, over the scene's own colours."
        )
        self.compare = gui.add_checkbox("Compare", False, hint="Left of a line the scene is in its own colours (C).")
        self.border = gui.add_slider("Line at", 0.0, 1.0, 0.01, MIDDLE, hint="Where the line is.", visible=False)
        self.opacity.on_update(lambda event: self._slid(event))
        self.border.on_update(lambda event: self._slid(event))
        self.compare.on_update(lambda event: self._told(event, lambda: self._compare(self.compare.value)))

    def _add_page(self, gui: Any) -> None:
        page = self._page
        self.dark = gui.add_checkbox("Dark page", page.dark, hint="Light or dark; this browser remembers it.")
        self.home = gui.add_button(
            "Back to the start", icon="home", hint="Stand where the page opened (Home).", color="gray"
        )
        side_by_side(gui, [self.home], 1)
        gui.add_markdown(f"*{drawn_by(page)}*")
        self.dark.on_update(lambda event: self._told(event, self._change_theme))
        self.home.on_click(lambda _: page.do(self._go_home))

    def _add_commands(self, gui: Any) -> None:
        page = self._page
        for title, key in KEYS.items():
            command = gui.add_command(f"Show: {title}", description=HINTS[title], hotkey=key, icon="eye")
            command.on_trigger(lambda _, title=title: page.do(lambda: self._show(title)))
        for label, does, key, icon, done in (
            ("Compare", "Left of a line: the scene's own colours", "C", "layout-columns", self._toggle_compare),
            ("Back to the start", "Stand where the page opened", "home", "home", self._go_home),
            ("Light or dark", "Change the page's theme", "D", "moon", self._toggle_theme),
        ):
            modifier = "shift" if key == "D" else None
            command = gui.add_command(label, description=does, hotkey=key, modifier=modifier, icon=icon)
            command.on_trigger(lambda _, done=done: page.do(done))

    def _show_features(self, shown: bool) -> None:
        page, fields = self._page, tuple(self._page.session.meaning.fields)
        put(self.teacher, visible=shown and len(fields) > 1)
        put(self.all, visible=shown)
        if not shown:
            for channel in self.channels:
                put(channel, visible=False)
            return
        session, name = page.session, teacher_of(page.session, page.look.teacher)
        put(self.teacher, options=fields)
        put(self.teacher, value=name)
        shares = session.layers.principal(session.original, name, session.meaning.fields[name]).shares.tolist()
        names = tuple(f"{number}: {share:.1%}" for number, share in enumerate(shares[:16], 1))
        chosen = page.look.components
        put(self.all, value=chosen is None)
        for number, channel in enumerate(self.channels):
            put(channel, options=names, visible=chosen is not None)
            if chosen is not None:
                put(channel, value=names[chosen[number]])

    def _seen(self, layer: Layer) -> None:
        self._drawn = layer
        self._show_legend()

    def _show_legend(self) -> None:
        look, session = self._page.look, self._page.session
        names: list[tuple[str, tuple[float, float, float]]] = []
        if look.shown == OBJECTS:
            names = [(thing.name, thing.color or (1.0, 0.0, 1.0)) for thing in session.now.things]
        if look.shown == NAMES and look.shared is not None:
            names = [(name, color_of(number)) for number, name in enumerate(look.shared.found.names)]
        fitting = self._drawn if self._drawn.title == look.shown else PLAIN[COLOUR]
        put(self.legend, content=legend(fitting, names, session.world))

    # What is pressed

    def _told(self, event: Any, job: Any) -> None:
        """Of what a visitor did, not of what was shown them."""
        if event.client is not None:
            self._page.do(job)

    def _slid(self, event: Any) -> None:
        """Of many places that a slider passes, the newest."""
        if event.client is not None and not self._waiting:
            self._waiting = True
            self._page.do(self._slide)

    def _slide(self) -> None:
        self._waiting, look = False, self._page.look
        look.opacity, self._border = float(self.opacity.value), float(self.border.value)
        look.split = None if look.split is None else self._border
        self._page.refresh("layer")

    def _show(self, title: str) -> None:
        if title in self._page.look.layers(self._page.session):
            self._page.show(title)
        else:
            self._page.say(f"There is no layer “{title}” yet", MISSING.get(title, ""))

    def _choose_teacher(self) -> None:
        self._page.look.teacher, self._page.look.components = self.teacher.value, None
        self._page.refresh("layer")

    def _choose_components(self) -> None:
        look, count = self._page.look, len(self.channels[0].options)
        if self.all.value:
            look.components = None
        elif look.components is None:
            look.components = tuple(min(number, count - 1) for number in range(3))  # type: ignore[assignment]
        else:
            look.components = tuple(int(c.value.split(":")[0]) - 1 for c in self.channels)  # type: ignore[assignment]
        self._page.refresh("layer")

    def _compare(self, on: bool) -> None:
        self._page.look.split = self._border if on else None
        self._page.refresh("layer")

    def _toggle_compare(self) -> None:
        if self._page.look.shown == COLOUR:
            self._page.say("Nothing to compare", "Choose a layer other than Colour first, such as Depth (2).")
        else:
            self._compare(self._page.look.split is None)

    def _go_home(self) -> None:
        self._page.fly(self._page.viewer.opening)

    def _toggle_theme(self) -> None:
        self.dark.value = not self.dark.value
        self._change_theme()

    def _change_theme(self) -> None:
        server = self._page.viewer.server
        if server is not None:
            self._page.dark = self.dark.value
            server.use_theme(self._page.client, self.dark.value)
            self._page.refresh("layer")  # pictures in the panel and from the server have the page's background

    def _script(self, source: str) -> None:
        server = self._page.viewer.server
        if server is not None and source != self._sent:
            self._sent = source
            server.run(self._page.client, source)


def drawn_by(page: Page) -> str:
    """Who draws the scene, and what helps where that is slow."""
    server = page.viewer.server
    if page.viewer.splats is None:
        return "Drawn by the server, as pictures."
    if server is not None and server.ask(page.client, "window.semsplat.software") == "true":
        return "Drawn by this browser without a GPU. Where that is slow: semsplat view --engine server."
    return "Drawn by this browser."


def put(handle: Any, **values: Any) -> None:
    """Show values on a control where they differ from what it shows."""
    for name, value in values.items():
        if getattr(handle, name) != value:
            setattr(handle, name, value)
