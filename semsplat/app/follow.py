"""A session that follows its scene folder: what a fit or a distillation writes there is shown as it comes."""

import logging
from pathlib import Path

from ..distill import field as fields
from ..splatting import history_files
from ..splatting.errors import SemsplatError
from . import live, scene
from .live import Watcher, Wish
from .scene import Scene
from .session import Session
from .world import WORLD

LOCKED = "The scene is being fitted, which changes its Gaussians; edits are possible when that is over."
GONE = "The folder of this scene is gone. What is on the page stays, and can still be downloaded."


class Follow:
    """Keeps a session as new as its folder until stopped."""

    def __init__(self, session: Session, every: float = 1.0) -> None:
        """Begin at once; a session without a folder is left alone."""
        self._session, self._there = session, True
        self._watcher: Watcher | None = None
        if session.folder is not None:
            self._listen()
            self._watcher = Watcher(self._paths, self._changed, every)

    def stop(self) -> None:
        """Follow no more."""
        if self._watcher is not None:
            self._watcher.stop()

    def wish(self, what: Wish) -> None:
        """Ask whoever fits the scene to pause, resume, or save and stop."""
        live.wish(self._folder, what)

    @property
    def _folder(self) -> Path:
        assert self._session.folder is not None  # else nothing is followed
        return self._session.folder

    def _paths(self) -> list[Path]:
        folder = self._folder
        return [
            folder,
            folder / scene.GAUSSIANS,
            folder / live.LIVE,
            folder / history_files.EDITS,
            folder / WORLD,
            *sorted((folder / fields.FIELDS).glob("[!.]*.safetensors")),
        ]

    def _changed(self, news: set[Path]) -> None:
        folder = self._folder
        try:
            if not folder.exists():
                if self._there:
                    self._there = False
                    self._session.tell(GONE)
                return
            self._there = True
            if folder / live.LIVE in news:
                self._listen()
            if folder / history_files.EDITS in news:
                self._session.reread_edits()
            if folder / WORLD in news:
                self._session.placed(Scene.open(folder).world)
            arrived = [path for path in news if path.parent.name == fields.FIELDS]
            if folder / scene.GAUSSIANS in news or arrived:
                opened = Scene.open(folder)
                said = f"Features of {', '.join(sorted(path.stem for path in arrived))} arrived" if arrived else ""
                self._session.follow(opened, said)
        except SemsplatError as error:  # half-written, or taken away while it was read: the next look will tell
            logging.getLogger(__name__).info("%s", error)

    def _listen(self) -> None:
        facts = live.read(self._folder)
        self._session.locked = LOCKED if facts is not None and facts.what == live.FITTING else None
        self._session.work_told(facts)
