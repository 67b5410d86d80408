"""The help: what the mouse and the keys do."""

import html
from collections.abc import Iterable

from ..page import Page, What
from ..widgets import commands_of, side_by_side

MOUSE = (
    ("Click", "pick a thing (tool: Thing)"),
    ("Shift, Ctrl (⌘) and click", "add it to what is picked, take it away"),
    ("Drag", "turn around the scene, or draw with the tool in hand"),
    ("Alt and drag", "turn with any tool"),
    ("Right drag", "move sideways and up"),
    ("Wheel", "nearer or farther"),
    ("W A S D, Q E", "walk, sink and rise"),
    ("Arrows", "look around"),
)
ALWAYS = (("Ctrl (⌘) K", "find any command by its name"), ("?", "this help"))
GROUPS = {  # title: how the commands begin that are listed there; all others are under OTHER
    "Tools": ("Tool:", "Surface"),
    "Layers": ("Show:", "Show or hide", "Compare"),
    "Change": ("Delete", "Extract", "Undo", "Redo", "Handles"),
    "Selection": ("Take the neighbours", "Leave the border", "Pick "),
}
OTHER = "Go and find"
NAMES = {"cmd/ctrl": "Ctrl (⌘)", "shift": "Shift", "alt": "Alt", "escape": "Esc", "delete": "Del"}
NAMES |= {"pageup": "Page up", "pagedown": "Page down", "backspace": "Backspace", "home": "Home", "space": "Space"}
AGAIN = " (other key)"  # ends the label of a command that another key has, too


class Help:
    """A button, and what it opens."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        self.button = gui.add_button("Help", icon="help", color="gray", hint="What the mouse and the keys do (?).")
        side_by_side(gui, [self.button], 1)
        command = gui.add_command("Help", description="What the mouse and the keys do (?)", icon="help")
        for told in (self.button.on_click, command.on_trigger):
            told(lambda _: page.do(self._open))

    def refresh(self, what: What) -> None:
        """Nothing: what is listed is read when the help is opened."""

    def _open(self) -> None:
        gui = self._page.client.gui
        with gui.add_modal("Mouse and keys") as modal:
            gui.add_html(keys(commands_of(self._page.client)))
            close = gui.add_button("Close", color="gray")
            side_by_side(gui, [close], 1)
        close.on_click(lambda _: modal.close())


def keys(commands: list[tuple[str, str, str]]) -> str:
    """What the mouse and the keys do, in HTML.

    Args:
        commands: (label, key, what it does) of those that have a key.
    """
    rows = {label: [_spelled(key)] for label, key, _ in commands if not label.endswith(AGAIN)}
    for label, key, _ in commands:
        if label.endswith(AGAIN):
            rows.setdefault(label.removesuffix(AGAIN), []).append(_spelled(key))
    tables = _table("Mouse and camera", (([key], does) for key, does in MOUSE))
    for title, begins in GROUPS.items():
        tables += _table(title, ((rows[label], _short(label)) for label in rows if label.startswith(begins)))
    others = [label for label in rows if not label.startswith(sum(GROUPS.values(), ()))]
    tables += _table(OTHER, [*((rows[label], label) for label in others), *(([key], does) for key, does in ALWAYS)])
    return f'<div class="semsplat-help">{tables}</div>'


def _table(title: str, rows: Iterable[tuple[list[str], str]]) -> str:
    lines = "".join(
        f"<tr><td>{' or '.join(f'<kbd>{html.escape(key)}</kbd>' for key in pressed)}</td>"
        f"<td>{html.escape(does[0].upper() + does[1:])}</td></tr>"
        for pressed, does in rows
    )
    return f"<table><caption>{html.escape(title)}</caption>{lines}</table>"


def _short(label: str) -> str:
    return label.removeprefix("Tool: ").removeprefix("Show: ")


def _spelled(key: str) -> str:
    spelled = " ".join(NAMES.get(part, part.upper()) for part in key.split("+"))
    return spelled.replace(" ", "\N{NO-BREAK SPACE}")
