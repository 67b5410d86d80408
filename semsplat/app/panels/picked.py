"""What is picked, and the tools to pick with."""

from typing import Any

from ...splatting.ids import rows_of
from ..browser import side_by_side
from ..look import NOTHING
from ..page import Page, What
from ..pointer import Pointer
from ..regions import sizes
from ..tools import BRUSH, MEASURE, STROKE, TOOLS, Tool, Tools
from .ruler import Ruler

NOTHING_PICKED = "Nothing is picked."
MORE = " **Shift** adds, **Ctrl** (⌘) takes away."
TURN = " **Alt**-drag turns the view."
BEST = "best"
WORKING = "Looking at the neighbours …"
CHANGES = {  # title: icon, hotkey, its modifier, what it does
    "Grow": ("arrows-maximize", "pageup", None, "Take the neighbours in"),
    "Shrink": ("arrows-minimize", "pagedown", None, "Leave the border out"),
    "Invert": ("contrast", "I", "cmd/ctrl", "Pick what is not picked"),
    "All": ("select-all", "A", "cmd/ctrl", "Pick everything"),
    "None": ("x", "escape", None, "Pick nothing"),
}


class Count:
    """How much is picked on this page, always in sight."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.text = page.client.gui.add_markdown(NOTHING_PICKED)

    def refresh(self, what: What) -> None:
        """Say how much is picked."""
        if what in ("picked", "edits", "scene", "world"):
            self.text.content = described(self._page)


class Picked:
    """The tools of this page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.tools = Tools(page)
        page.parts.append(self.tools)
        self.pointer = Pointer(page, self.tools)
        self._sliding = False
        self._add_tools()
        self._add_options()
        self._add_changes()
        self.tools.changed = self._show
        self.pointer.take(self.tools.tool)

    def refresh(self, what: What) -> None:
        """Show what the tool at hand can use."""
        if what in ("picked", "edits", "scene", "world"):
            self._show()

    def _add_tools(self) -> None:
        gui = self._page.client.gui
        self.buttons = {title: gui.add_button(title, icon=tool.icon) for title, tool in TOOLS.items()}
        for tool in TOOLS.values():
            command = gui.add_command(f"Tool: {tool.title}", description=tool.does, hotkey=tool.hotkey, icon=tool.icon)
            for told in (self.buttons[tool.title].on_click, command.on_trigger):
                told(lambda _, tool=tool: self._page.do(lambda: self._take(tool)))
        side_by_side(gui, list(self.buttons.values()), 3)
        self.does = gui.add_markdown("")
        self.ruler = Ruler(self._page, self.tools)

    def _add_options(self) -> None:
        gui, page = self._page.client.gui, self._page
        fields = (BEST, *page.session.meaning.fields, "none")
        self.reach = gui.add_dropdown(
            "Reach", ("Surface", "Through"), hint="Surface: what is seen there. Through: also what is behind it (N)."
        )
        self.width = gui.add_slider("Width", 0.5, 20.0, 0.5, 200 * self.tools.radius, hint="In % of the picture.")
        self.sign = gui.add_dropdown("Stroke is", ("on it", "not on it"), hint="Strokes on other things keep them out.")
        self.tolerance = gui.add_slider(
            "Tolerance", 0.0, 1.0, 0.005, 0.0, hint="How unlike a Gaussian may be to what you pointed at last."
        )
        self.natural = gui.add_button("Natural tolerance", color="gray")
        self.over = gui.add_button("Start over", color="gray")
        side_by_side(gui, [self.natural, self.over], 2)
        self.size = gui.add_dropdown(
            "Size", ("part", "thing", "group"), initial_value="thing", hint="How much a click or stroke means."
        )
        self.field = gui.add_dropdown("Alike in", fields, hint="The field that says what belongs together.")
        self.reach.on_update(lambda _: page.do(self._set_reach))
        self.width.on_update(lambda _: page.do(self._set_width))
        self.sign.on_update(lambda _: page.do(self._set_sign))
        self.over.on_click(lambda _: page.do(self.tools.start_over))
        self.tolerance.on_update(lambda event: self._slide() if event.client is not None else None)
        self.natural.on_click(lambda _: page.do(lambda: self.tools.slide(None)))
        self.size.on_update(lambda _: page.do(self._set_size, "Looking again …"))
        self.field.on_update(lambda _: page.do(self._set_field, "Looking again …"))
        gui.add_command("Surface or through", hotkey="N", icon="stack-2").on_trigger(
            lambda _: page.do(self._turn_reach)
        )

    def _add_changes(self) -> None:
        gui, page, tools = self._page.client.gui, self._page, self.tools
        does: dict[str, Any] = {
            "Grow": tools.grow,
            "Shrink": tools.shrink,
            "Invert": tools.invert,
            "All": tools.everything,
            "None": lambda: page.pick(NOTHING),
        }
        self.changes = {}
        for title, (icon, hotkey, modifier, said) in CHANGES.items():
            button = self.changes[title] = gui.add_button(title, color="gray")
            command = gui.add_command(said, hotkey=hotkey, modifier=modifier, icon=icon)
            for told in (button.on_click, command.on_trigger):
                told(lambda _, title=title: page.do(does[title], WORKING))
        side_by_side(gui, list(self.changes.values()), 5)

    def _show(self) -> None:
        """Only what the tool at hand can use."""
        tools, tool = self.tools, self.tools.tool
        self.does.content = tool.does + (MORE if tool is not STROKE else "") + (TURN if tool.gesture != "click" else "")
        for title, button in self.buttons.items():
            button.color = None if title == tool.title else "gray"
        self.ruler.show()
        self.reach.visible = not tool.grows and tool is not MEASURE
        self.width.visible = tool in (BRUSH, STROKE)
        self.sign.visible = tool is STROKE
        self.over.visible = tool is STROKE and tools.pointed is not None
        self.size.visible = self.field.visible = tool.grows
        pointed = tools.pointed
        self.tolerance.visible = tool.grows and pointed is not None
        self.natural.visible = self.tolerance.visible and pointed is not None and pointed.tolerance is not None
        if pointed is not None and not self._sliding:
            value = pointed.natural if pointed.tolerance is None else pointed.tolerance
            self.tolerance.value = min(max(round(value / 0.005) * 0.005, 0.0), 1.0)
        some = len(self._page.look.picked) > 0
        for title in ("Grow", "Shrink", "None"):
            self.changes[title].disabled = not some

    def _take(self, tool: Tool) -> None:
        self.pointer.take(tool)

    def _slide(self) -> None:
        """Of many places that a slider passes, the newest."""
        if not self._sliding:
            self._sliding = True
            self._page.do(self._slid)

    def _slid(self) -> None:
        self._sliding = False
        self.tools.slide(float(self.tolerance.value))

    def _set_reach(self) -> None:
        self.tools.through = self.reach.value == "Through"

    def _turn_reach(self) -> None:
        self.reach.value = "Surface" if self.tools.through else "Through"
        self._set_reach()

    def _set_width(self) -> None:
        self.tools.radius = self.width.value / 200
        self.pointer.show_trace()

    def _set_sign(self) -> None:
        self.tools.negative = self.sign.value == "not on it"
        self.pointer.show_trace()

    def _set_size(self) -> None:
        if self.tools.size != self.size.value:
            self.tools.size = self.size.value
            self.tools.again()

    def _set_field(self) -> None:
        chosen = None if self.field.value == BEST else self.field.value
        if self.tools.field != chosen:
            self.tools.field = chosen
            self.tools.again()


def described(page: Page) -> str:
    """The selection in words, in Markdown."""
    picked, gaussians = page.look.picked, page.session.gaussians
    if not len(picked):
        return NOTHING_PICKED
    means = gaussians.means[rows_of(gaussians.ids, picked)].cpu()
    world = page.session.world
    lengths = (length * world.metres for length in sizes(means, world.up))
    unit = world.unit.removeprefix("scene ")
    width, depth, height = (f"{length:.2f}" if length >= 0.1 else f"{length:.2g}" for length in lengths)
    size = f"{width} × {depth} × {height} {unit} (w, d, h)"
    return f"**{len(picked):,}** of {len(gaussians):,} Gaussians picked\n\n{size}"
