"""The panel beside the scene, for one page. It calls the session, shows what it answers, and decides nothing."""

from collections.abc import Callable
from typing import Any

from ..splatting.camera import Camera
from .browser import Client, escaped
from .layers import LAYERS
from .scene import View
from .session import Hit, Look, Pick, Pose, Session

LISTED = 6  # Gaussians named after a click
NOTHING_PICKED = "Click the scene: what is behind that point lights up. **Shift** adds to it, **Ctrl** (⌘) takes away."
COMBINE: dict[str | None, Callable[[Pick, Pick], Pick]] = {
    None: lambda before, hit: hit,
    "shift": lambda before, hit: before | hit,
    "cmd/ctrl": lambda before, hit: before - hit,
}


class Actions:
    """What the panel asks of its page; the viewer does it, in order and off viser's threads."""

    def __init__(
        self,
        redraw: Callable[[], None],
        fly: Callable[[Pose], None],
        show_photos: Callable[[bool], None],
        use_theme: Callable[[bool], None],
    ) -> None:
        self.redraw, self.fly, self.show_photos, self.use_theme = redraw, fly, show_photos, use_theme


class Panel:
    """Everything a visitor can read and press."""

    def __init__(
        self, session: Session, look: Look, client: Client, do: Callable, actions: Actions, dark: bool
    ) -> None:
        """Build the panel on one page.

        Args:
            look: what this visitor looks at; the panel changes it.
            do: takes a job and runs it soon, after earlier ones, errors included.
        """
        self._session, self._look, self._client, self._do, self._actions = session, look, client, do, actions
        gui = client.gui
        self.status = gui.add_markdown(status(session))
        self._view_folder(gui, dark)
        with gui.add_folder("Selection"):
            self.picked = gui.add_markdown(NOTHING_PICKED)
            self.clear_button = gui.add_button(
                "Clear", icon="x", hint="Nothing is picked any more (Esc).", disabled=True, color="gray"
            )
        self.clear_button.on_click(lambda _: do(self.clear))
        gui.add_command("Clear selection", hotkey="escape").on_trigger(lambda _: do(self.clear))

    def _view_folder(self, gui: Any, dark: bool) -> None:
        with gui.add_folder("View"):
            self.layer = gui.add_dropdown(
                "Show",
                [layer.title for layer in LAYERS],
                hint=" ".join(f"{layer.title}: {layer.hint}" for layer in LAYERS),
            )
            self.photos = gui.add_checkbox(
                "Photos",
                False,
                disabled=not self._session.views,
                hint="Where the photos were taken. Click one to stand there. Orange ones were held out of the fit."
                if self._session.views
                else "This scene has no photos: it was opened from a splat file alone.",
            )
            self.dark = gui.add_checkbox("Dark page", dark, hint="Light or dark; this browser remembers it.")
            self.home = gui.add_button(
                "Back to the start", icon="home", hint="Stand where the page opened.", color="gray"
            )
        self.layer.on_update(lambda _: self._do(self.change_layer))
        self.photos.on_update(lambda _: self._do(lambda: self._actions.show_photos(self.photos.value)))
        self.dark.on_update(lambda _: self._do(lambda: self._actions.use_theme(self.dark.value)))
        self.home.on_click(lambda _: self._do(lambda: self._actions.fly(self._session.opening)))

    def change_layer(self) -> None:
        """Show the layer that the menu says."""
        self._look.layer = next(layer for layer in LAYERS if layer.title == self.layer.value)
        self._actions.redraw()

    def click(self, camera: Camera, xy: tuple[float, float], modifier: str | None) -> None:
        """Pick what is behind a point of the picture."""
        hit = self._session.click(camera, xy)
        self._set(COMBINE[modifier](self._look.pick, hit.pick), hit)

    def clear(self) -> None:
        """Pick nothing."""
        self._set(Pick.nothing(), None)

    def go_to(self, view: View) -> None:
        """Stand where a photo was taken."""
        self._actions.fly(self._session.pose_of(view.camera))

    def _set(self, pick: Pick, hit: Hit | None) -> None:
        self._look.pick = pick
        self.picked.content = described(pick, hit, len(self._session.gaussians))
        self.clear_button.disabled = not len(pick)
        self._actions.redraw()


def status(session: Session, notes: tuple[str, ...] = ()) -> str:
    """What this scene is, in Markdown."""
    lines = [f"#### {escaped(session.title)}"]
    if not len(session.gaussians):
        lines.append("This scene has no Gaussians yet: there is nothing to draw.")
    facts = [f"{len(session.gaussians):,} Gaussians"]
    if session.views:
        held_out = sum(view.held_out for view in session.views)
        facts.append(f"{len(session.views)} photos" + (f", {held_out} held out" if held_out else ""))
    if session.held_out_psnr is not None:
        facts.append(f"{session.held_out_psnr:.1f} dB on held-out photos")
    lines.append(" · ".join(facts))
    if session.generated:
        lines.append("*This capture was made by a program; it is not a real place.*")
    if session.left_out:
        lines.append(f"{session.left_out:,} Gaussians are not finite and are left out.")
    return "\n\n".join([*lines, *map(escaped, notes)])


def described(pick: Pick, hit: Hit | None, total: int) -> str:
    """A selection in words, in Markdown; after a click also what is behind that point."""
    lines = [f"**{len(pick):,}** of {total:,} Gaussians picked." if len(pick) else "Nothing is picked."]
    if hit and not len(hit.pick):
        lines.append("There is nothing at that point.")
    elif hit:
        lines.append(
            f"At that point: {len(hit.pick)} Gaussians, {hit.coverage:.0%} covered, {hit.depth:#.3g} units away."
        )
        strongest = hit.pick.weights.argsort(descending=True)[:LISTED]
        rows = [f"| {hit.pick.ids[i]} | {hit.pick.weights[i]:.1%} |" for i in strongest]
        lines.append("\n".join(["| Gaussian | of the pixel |", "|---|---|", *rows]))
    if not len(pick):
        lines.append(NOTHING_PICKED)
    return "\n\n".join(lines)
