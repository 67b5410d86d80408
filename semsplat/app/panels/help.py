"""The help: what the mouse and the keys do."""

from ..page import Page, What
from ..widgets import commands_of

MOUSE = (
    ("Click", "pick a thing, with the tool Thing"),
    ("Shift / Ctrl (⌘) and click", "add it to what is picked / take it away"),
    ("Drag", "turn around the scene; with Brush, Stroke, Lasso and Box: draw"),
    ("Alt and drag", "turn around the scene with any tool"),
    ("Right drag", "move sideways and up"),
    ("Wheel", "nearer or farther"),
    ("W A S D, Q E", "walk, sink and rise"),
    ("Arrows", "look around"),
    ("Ctrl (⌘) K", "find any command by its name"),
    ("?", "this help"),
)
NAMES = {"cmd/ctrl": "Ctrl (⌘)", "shift": "Shift", "alt": "Alt", "escape": "Esc", "delete": "Del"}
NAMES |= {"pageup": "Page up", "pagedown": "Page down", "backspace": "Backspace", "home": "Home", "space": "Space"}


class Help:
    """A button, and what it opens."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        self.button = gui.add_button("Help", icon="help", color="gray", hint="What the mouse and the keys do (?).")
        command = gui.add_command("Help", description="What the mouse and the keys do (?)", icon="help")
        for told in (self.button.on_click, command.on_trigger):
            told(lambda _: page.do(self._open))

    def refresh(self, what: What) -> None:
        """Nothing: what is listed is read when the help is opened."""

    def _open(self) -> None:
        gui = self._page.client.gui
        with gui.add_modal("Help") as modal:
            gui.add_markdown(keys(commands_of(self._page.client)))
            close = gui.add_button("Close", color="gray")
        close.on_click(lambda _: modal.close())


def keys(commands: list[tuple[str, str, str]]) -> str:
    """A table in Markdown.

    Args:
        commands: (label, key, what it does) of those that have a key.
    """
    lines = ["| Mouse and camera | |", "|:--|:--|", *(f"| {key} | {does} |" for key, does in MOUSE)]
    lines += ["", "| Keys | |", "|:--|:--|"]
    for label, key, does in commands:
        said = label if not does or label.startswith("Show:") else f"{label}: {does}"  # layers say it when shown
        lines.append(f"| {_spelled(key)} | {said} |")
    return "\n".join(lines)


def _spelled(key: str) -> str:
    spelled = " ".join(NAMES.get(part, part.upper()) for part in key.split("+"))
    return spelled.replace(" ", "\N{NO-BREAK SPACE}")
