"""What buttons do, said when the pointer rests on them: viser shows the hints of all other controls only."""

import json

from ..page import Page, What
from ..widgets import hints_of


class Hints:
    """The last part of a panel: it reads what the others say."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._sent: dict[str, str] = {}

    def refresh(self, what: What) -> None:
        """Send the hints that are new."""
        server, hints = self._page.viewer.server, hints_of(self._page.client)
        if server is not None and hints != self._sent:
            self._sent = hints
            server.run(self._page.client, f"window.semsplat?.hints?.({json.dumps(hints)})")
