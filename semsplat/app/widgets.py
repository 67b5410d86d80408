"""Small things on a page: text that is only text, buttons beside each other, messages."""

from collections.abc import Sequence
from typing import Any


def escaped(text: str) -> str:
    """Any text as plain text inside Markdown: nothing in it is a tag, a link or a picture."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text if c.isprintable())


def element(handle: Any) -> str:
    """Where the page has something that was added to its panel, for CSS; empty where viser's private parts are missing.

    Holds for buttons and checkboxes.
    """
    name = str(getattr(getattr(handle, "_impl", None), "uuid", ""))
    return f'[id="{name}"]' if name.replace("-", "").isalnum() else ""


def commands_of(client: Any) -> list[tuple[str, str, str]]:
    """(label, key, what it does) of a page's commands that have a key; none where this viser keeps no list of them."""
    kept = getattr(client.gui, "_command_handle_from_uuid", {})
    handles = [handle for handle in list(kept.values()) if handle.hotkey]
    return [(h.label, "+".join(filter(None, (h.modifier, h.hotkey))), h.description or "") for h in handles]


def hints_of(client: Any) -> dict[str, str]:
    """What each of a page's buttons does, by its id on the page; none where this viser keeps no list of them."""
    kept = getattr(client.gui, "_gui_input_handle_from_uuid", {})
    buttons = ((name, handle) for name, handle in list(kept.items()) if hasattr(handle, "icon"))
    return {name: "".join(filter(str.isprintable, handle.hint)) for name, handle in buttons if handle.hint}


def side_by_side(gui: Any, buttons: Sequence[Any], columns: int) -> None:
    """Put buttons, added just before, into rows; where this viser's private parts are missing they stay one below
    the other.

    Args:
        gui: of the page, in the folder that holds the buttons.
    """
    here = [place for button in buttons if (place := element(button))]
    around = ",".join(f"div:has(> {one})" for one in here)
    first = ",".join(f"div:has(> {one})" for one in here[::columns])
    quiet = ",".join(f'{one}[style*="gray"]:not(:disabled)' for one in here)
    gui.add_html(
        f"<style>{around}{{display:inline-block;width:calc((100% - 1.2em) / {columns} - 0.35em);"
        f"margin:0 0 0 0.35em !important;vertical-align:top}} {first}{{margin-left:0.75em !important}}"
        f"{','.join(here)}{{padding:0 0.1em;font-size:0.8em}} {quiet}{{background:var(--mantine-color-default);"
        f"color:var(--mantine-color-default-color);border-color:var(--mantine-color-default-border)}}</style>"
        if here
        else ""
    )


def as_list(gui: Any, boxes: Sequence[Any]) -> None:
    """Show checkboxes as lines of a list: the box first, then its label with all the room; greyed when disabled.

    Args:
        gui: of the page, in the folder that holds them.
    """
    here = [place for box in boxes if (place := element(box))]
    line = ":is(" + ",".join(f".mantine-Flex-root:has({one})" for one in here) + ")"
    gui.add_html(
        f"<style>{line}{{flex-direction:row-reverse}} {line}:has(input:disabled)>div:first-child{{opacity:0.55}}"
        f"{line}>div:first-child{{width:auto !important;flex:1 1 0 !important}}"
        f"{line}>div:last-child{{flex:0 0 1.8em !important}}</style>"
        if here
        else ""
    )


def notify(client: Any, title: str, text: str, color: str = "red") -> None:
    """A message on one page, shown as it is: viser makes no markup of it."""
    shown = "".join(c for c in text if c.isprintable())
    client.add_notification(title, shown, color=color, auto_close_seconds=12.0 if color == "red" else 6.0)
