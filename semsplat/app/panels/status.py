"""What this scene is, and what can be done with it."""

from ..browser import escaped
from ..page import Page, What
from ..session import Session

FIRST = "Type what you look for, or click on it."
FIRST_WITHOUT_WORDS = "Click on a thing: it lights up."


class Status:
    """The lines at the top of the panel."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.text = page.client.gui.add_markdown("")

    def refresh(self, what: What) -> None:
        """Show the facts of the scene as it is now."""
        if what in ("scene", "edits"):
            self.text.content = status(self._page.session, self._page.viewer.notes)


def status(session: Session, notes: tuple[str, ...] = ()) -> str:
    """What this scene is, in Markdown."""
    now = session.now
    lines = [f"#### {escaped(session.title)}"]
    if not len(now.gaussians):
        lines.append("This scene has no Gaussians yet: there is nothing to draw.")
    else:
        lines.append(f"**{FIRST if session.meaning.readers else FIRST_WITHOUT_WORDS}**")
    facts = [f"{len(now.gaussians):,} Gaussians"]
    if session.views:
        held_out = sum(view.held_out for view in session.views)
        facts.append(f"{len(session.views)} photos" + (f", {held_out} held out" if held_out else ""))
    if session.held_out_psnr is not None:
        facts.append(f"{session.held_out_psnr:.1f} dB on held-out photos")
    if session.meaning.fields:
        facts.append("fields: " + ", ".join(map(escaped, session.meaning.fields)))
    if session.generated:
        facts.append("photos made by a program")
    lines.append(" · ".join(facts))
    if session.left_out:
        lines.append(f"{session.left_out:,} Gaussians are not finite and are left out.")
    return "\n\n".join([*lines, *map(escaped, notes)])
