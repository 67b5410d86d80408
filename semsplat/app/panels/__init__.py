"""The panel beside the scene: one file for each part. Parts call the page and its session, and decide nothing."""

from ..page import Page
from .ask import Ask
from .photos import PhotosPanel
from .picked import Picked
from .help import Help
from .objects import Objects
from .proposals import Proposals
from .status import Status
from .view import View
from .work import Work


def build(page: Page) -> None:
    """Everything a visitor can read and press, on one page."""
    gui = page.client.gui
    page.parts += [Status(page), Ask(page), Work(page), Picked(page)]
    tabs = gui.add_tab_group()
    with tabs.add_tab("View"):
        page.parts += [View(page), Help(page)]
    with tabs.add_tab("Photos"):
        page.parts.append(PhotosPanel(page))
    with tabs.add_tab("Objects"):
        page.parts += [Objects(page), Proposals(page)]
