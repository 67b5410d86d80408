"""Questions of one visitor and what is answered, ready to be shown: knows no page."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Int64
from torch import Tensor

from ..distill.objects import Thing, free_name
from ..distill.palette import Color, color_of
from ..distill.teachers.words import Names
from ..splatting.camera import Camera
from ..splatting.errors import InputError
from .ask import facts_of
from .browser import escaped
from .look import NOTHING, Asked, Shared
from .session import Session

LISTED = 8  # things of an answer
NAMED = 24  # names that share a scene out, at most
REMEMBERED = 8  # questions
OFFERED = 4  # names
COMPARED = " x fit"  # ends the kind of scores when things were compared, not Gaussians
NO_WORDS = (
    "Nothing here knows words yet. Give the scene features that do: "
    "`semsplat distill SCENE --teacher labels|lseg|tipsv2|clip`. Clicking works without."
)


@dataclass(frozen=True, eq=False)
class Line:
    """One thing, or one name, that was found."""

    label: str  # any text
    ids: Int64[Tensor, " k"]
    taken: bool  # it belongs to the answer
    color: Color | None = None  # on the layer of names
    facts: dict[str, object] | None = None  # kept with it, when it becomes an object
    whole: bool = False  # it is all that was found


@dataclass(frozen=True, eq=False)
class Reply:
    """What comes of a question."""

    say: str | Callable[[], str]  # gives :attr:`said`
    details: str = ""  # in Markdown
    listed: Callable[[], tuple[Line, ...]] = tuple  # gives :attr:`lines`
    offered: tuple[str, ...] = ()  # what might be asked instead
    asked: Asked | None = None
    shared: Shared | None = None

    @cached_property
    def said(self) -> str:
        """In Markdown; like the lines it is made when it is first read, as things are seen before they are counted."""
        return self.say if isinstance(self.say, str) else self.say()

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """What was found, thing by thing or name by name."""
        return self.listed()

    @property
    def chosen(self) -> Int64[Tensor, " k"]:
        """Ids of all that was found; of names that share the scene out, none is."""
        return self.asked.ids[self.asked.answer.selection] if self.asked else NOTHING


class Asking:
    """Asks a session for one visitor, and remembers what was asked."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.field: str | None = None  # the teacher that is asked; None: the best
        self.history: list[str] = []  # the newest first
        self.reply: Reply | None = None
        self._again: Callable[[float | None], Reply] | None = None

    @property
    def names(self) -> list[str]:
        """Names that the teacher knows as such, each once; none when any words can be asked, or none at all."""
        name = self.field or next(iter(self._session.meaning.readers), None)
        return list(dict.fromkeys(self._session.meaning.words(name))) if name else []

    @property
    def examples(self) -> tuple[str, ...]:
        """Some of the names: of those in the middle, as lists begin with walls and floors."""
        names = self.names
        start = max(0, min(len(names) // 2 + 2, len(names) - OFFERED))
        return tuple(names[start : start + OFFERED])

    def ask(self, text: str, but_not: str = "", camera: Camera | None = None) -> Reply:
        """Answer a question, or several names between commas; what cannot be asked is an answer in words, too.

        Args:
            but_not: what is not meant, between commas. camera: from where left and right are meant.
        """
        names, negatives, field = between_commas(text), between_commas(but_not), self.field
        self._again = None
        if not names:
            self.reply = Reply("Type what you look for, and press Enter.", offered=self.examples)
            return self.reply
        try:
            if len(names) == 1:
                self._again = lambda threshold: self._ask(names[0], camera, field, negatives, threshold)
                self.reply = self._again(None)
            else:
                self.reply = self._share_out(*self._sorted(names[:NAMED], field), field, negatives)
            self.history = [text, *(before for before in self.history if before != text)][:REMEMBERED]
        except InputError as error:
            self.reply = Reply(escaped(str(error)), offered=self._near(names))
        return self.reply

    def cut(self, threshold: float) -> Int64[Tensor, " k"]:
        """Ids of the Gaussians that reach a threshold, at once; :meth:`settle` finds the things that they are."""
        asked = self.reply.asked if self.reply else None
        return asked.ids[asked.answer.scores >= threshold] if asked else NOTHING

    def settle(self, threshold: float) -> Reply | None:
        """Ask the last question with another threshold; None when it was none that has one."""
        if self._again is not None:
            self.reply = self._again(threshold)
        return self.reply if self._again else None

    def forget(self) -> None:
        """No question was asked; the history stays."""
        self.reply, self._again = None, None

    def keep(self, *lines: Line, by: object = None) -> list[str]:
        """Make objects of what was found, for everybody; returns their names.

        Raises:
            InputError: they cannot be saved.
        """
        kept: list[str] = []

        def add(things: list[Thing]) -> list[Thing]:
            for line in lines:
                name = free_name(str((line.facts or {}).get("name", line.label)), (thing.name for thing in things))
                facts = {key: value for key, value in (line.facts or {}).items() if key != "name"}
                things = [*things, Thing(name, line.ids.cpu(), facts, None, line.color)]
                kept.append(name)
            return things

        said = ", ".join(str((line.facts or {}).get("name", line.label)) for line in lines)
        self._session.change_things(add, f"New: {said}", by)
        return kept

    def whole(self) -> Line | None:
        """All that was found for a question, as one; None when nothing was."""
        asked = self.reply.asked if self.reply else None
        if asked is None or not asked.answer.found or self.reply is None:
            return None
        facts = {"name": asked.answer.question, **facts_of(asked.answer, self._teacher(self.field))}
        return Line(f"All of them · {len(self.reply.chosen):,}", self.reply.chosen, True, facts=facts, whole=True)

    def _teacher(self, field: str | None) -> str:
        return field or next(iter(self._session.meaning.readers), "")

    def _ask(
        self, question: str, camera: Camera | None, field: str | None, negatives: Sequence[str], threshold: float | None
    ) -> Reply:
        gaussians = self._session.gaussians
        answer = self._session.ask(question, camera, field, negatives, threshold, gaussians)
        asked, teacher = Asked(answer, gaussians), self._teacher(field)
        offered = () if answer.found else self._near([question])
        return Reply(lambda: _said(asked), _details(asked), lambda: _lines(asked, teacher), offered, asked)

    def _sorted(self, names: Sequence[str], field: str | None) -> tuple[list[str], list[str]]:
        """(names that the teacher reads, the others).

        Raises:
            InputError: it reads none of them; says why of the first.
        """
        meaning, device = self._session.meaning, self._session.gaussians.means.device
        _, teacher = meaning.reader(field, device)
        known, unknown, why = list[str](), list[str](), list[InputError]()
        for name in names:
            try:
                teacher.read([name])
                known.append(name)
            except InputError as error:
                unknown.append(name)
                why.append(error)
        if not known:
            raise why[0]
        return known, unknown

    def _share_out(
        self, names: Sequence[str], unknown: Sequence[str], field: str | None, negatives: Sequence[str]
    ) -> Reply:
        gaussians = self._session.gaussians
        found = self._session.share_out(names, field, negatives, gaussians)
        facts = {"made by": "ask", "names": list(found.names), "teacher": self._teacher(field), "kind": "probability"}
        lines = []
        for number, name in enumerate(found.names):
            rows = found.labels == number
            count = int(rows.sum())
            score = found.probabilities[rows, number].mean().item() if count else 0.0
            own = facts | {"name": name, "score": score}
            lines.append(Line(f"{name} · {count:,}", gaussians.ids[rows], count > 0, color_of(number), own))
        there = sum(line.taken for line in lines)
        other = int((found.labels < 0).sum())
        said = f"**{there} of {len(names) + len(unknown)} names** are here; {other:,} Gaussians are something else."
        notes = _paragraphs(
            [*(f"Nothing is called '{name}'." for name in unknown), *filter(_is_about_words, found.notes)]
        )
        details = _paragraphs(note for note in found.notes if not _is_about_words(note))
        said = "\n\n".join(filter(None, (said, notes)))
        return Reply(said, details, lambda: tuple(lines), self._near(unknown), shared=Shared(found, gaussians.ids))

    def _near(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Names that are spelt like what was asked, or share a word with it."""
        names = self.names
        if not names:
            return ()
        known = Names([[name] for name in names])
        near = [name for text in asked for name in known.nearest(text, OFFERED)]
        return tuple(dict.fromkeys(name for name in near if name not in asked))[:OFFERED]


def between_commas(text: str) -> list[str]:
    """The parts of a text, without empty ones, each once."""
    parts = (" ".join(part.split()) for part in re.split(r"[,;\n]", text))
    return list(dict.fromkeys(part for part in parts if part))


def slider_range(low: float, high: float, threshold: float | None) -> tuple[float, float, float]:
    """(least, most, step) of a slider over scores, in round numbers; the threshold is inside."""
    low, high = min(low, high if threshold is None else threshold), max(high, low if threshold is None else threshold)
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-3) / 50))
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def is_compared(asked: Asked) -> bool:
    """Whether things were told apart by what was said about them: then no threshold decides."""
    return asked.answer.kind.endswith(COMPARED)


def _lines(asked: Asked, teacher: str) -> tuple[Line, ...]:
    """The things of an answer."""
    answer, facts, lines = asked.answer, facts_of(asked.answer, teacher), []
    for found in answer.objects:
        reasons = "".join(f" · {reason} {fit:.2f}" for reason, fit in found.reasons.items())
        own = facts | {"name": found.name, "score": found.score, "reasons": found.reasons}
        label = f"{found.name} · {found.score:.2f}{reasons}"
        taken = bool(answer.selection[found.rows].any())
        lines.append(Line(label, asked.ids[found.rows], taken, facts=own))
    return tuple(lines)


def _said(asked: Asked) -> str:
    answer = asked.answer
    notes = [note for note in answer.notes if _is_about_words(note)]
    if not answer.found:
        return _paragraphs(["**Nothing found.**", *notes])
    taken = sum(bool(answer.selection[found.rows].any()) for found in answer.objects)
    things = "1 thing" if taken == 1 else f"{taken} things"
    said = f"**{things}** · {int(answer.selection.sum()):,} of {len(answer.selection):,} Gaussians"
    understood = f"Understood as: {escaped(answer.understood)}" if is_compared(asked) else ""
    return "\n\n".join(filter(None, (said, understood, _paragraphs(notes))))


def _details(asked: Asked) -> str:
    return _paragraphs(note for note in asked.answer.notes if not _is_about_words(note))


def _is_about_words(note: str) -> bool:
    """Whether a note speaks of the words of this question: it quotes them."""
    return bool(re.search(r"(?<!\w)'", note))


def _paragraphs(notes: Iterable[str]) -> str:
    return "\n\n".join(note if note.startswith("**") else escaped(note) for note in dict.fromkeys(notes))
