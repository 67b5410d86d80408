"""The panel beside the scene: one file for each part. Parts call the page and its session, and decide nothing."""

from ..page import Page
from .ask import Ask
from .edit_list import EditList
from .edits import Edits
from .filling import Filling
from .help import Help
from .hints import Hints
from .objects import Objects
from .photos import PhotosPanel
from .picked import Count, Picked
from .proposals import Proposals
from .quick import Quick
from .share import Share
from .status import Status
from .travel import Travel
from .view import View
from .work import Work


def build(page: Page) -> None:
    """Everything a visitor can read and press, on one page."""
    gui = page.client.gui
    page.parts += [Status(page), Ask(page), Work(page), Count(page), Quick(page), filling := Filling(page)]
    tabs = gui.add_tab_group()
    with tabs.add_tab("Select"):
        page.parts.append(Picked(page))
    with tabs.add_tab("View"):
        page.parts.append(View(page))
    with tabs.add_tab("Objects"):
        page.parts += [Objects(page), Proposals(page)]
    with tabs.add_tab("Edit"):
        page.parts += [Edits(page, filling), EditList(page)]
    with tabs.add_tab("Photos"):
        page.parts.append(PhotosPanel(page))
    with tabs.add_tab("Share"):
        page.parts += [Share(page), Travel(page)]
    page.parts += [Help(page), Hints(page)]
