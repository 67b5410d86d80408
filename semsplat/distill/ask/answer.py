"""From a question to Gaussians: scores, a threshold, things, and how well each fits what was said about it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.gaussians import Gaussians
from ..field import FeatureField
from ..segment.refine import Alike
from ..teachers.base import Teacher
from .bodies import Viewpoint
from .finding import Finder, Found, NothingFound
from .grammar import Phrase, parse, tidy
from .scores import Scores

__all__ = ["Answer", "Found", "ask"]

ALIKE = 0.7  # of the best fit: things that fit less are not meant, when several would hold

SCORE = "Score, "  # begins the note that tells what a score means


@dataclass(frozen=True)
class Answer:
    """What was found for a question; nothing is an answer, too."""

    question: str
    understood: str  # the question as it was taken apart
    scores: Float[Tensor, " n"]  # of each Gaussian, for a heat map; where things were compared, times their fit
    kind: str  # what the scores are: cosine, relevancy, probability; with "x fit" where things were compared
    threshold: float | None  # on the scores of the noun; None: nothing reached any
    selection: Bool[Tensor, " n"]
    consider: Callable[[], Sequence[Found]]  # gives what :attr:`objects` says
    notes: tuple[str, ...]  # sentences for people: how words were taken, what a score means, why nothing was found
    alike: Alike | None = None  # whether codes fit the noun, as those that are drawn; None: features did not decide

    @cached_property
    def objects(self) -> tuple[Found, ...]:
        """All things that were considered, the best first; told apart when first looked at, unless the question did."""
        with torch.no_grad():
            return tuple(self.consider())

    @property
    def found(self) -> bool:
        """Whether there is a result."""
        return bool(self.selection.any())

    @property
    def reason(self) -> str:
        """Why nothing was found: the last of the notes that does not tell what a score means."""
        told = [note for note in self.notes if not note.startswith(SCORE)]
        return told[-1] if told else "Nothing that is there scores high enough; it may be gone, or go by another name."


@torch.no_grad()
def ask(
    gaussians: Gaussians,
    field: FeatureField,
    teacher: Teacher,
    question: str,
    viewpoint: Viewpoint,
    mass: Float[Tensor, " n"] | None = None,
    negatives: Sequence[str] = (),
    threshold: float | None = None,
) -> Answer:
    """Answer a question about a scene; see :mod:`.grammar` for what is understood.

    Args:
        gaussians: with the field's codes among their features.
        viewpoint: which way is up, and from where left, right, front and back are meant.
        mass: how much each Gaussian is seen; opacity times area when not given.
        negatives: what is not meant, beside the teacher's own. threshold: on the score; chosen when not given.

    Raises:
        InputError: an empty question, one that ends too early, words that the teacher does not know, or a teacher
            that knows no words.
    """
    mass = opacity_area(gaussians) if mass is None else mass.to(gaussians.means)
    finder = Finder(gaussians, field, teacher, viewpoint, mass, tuple(negatives), threshold)
    phrase = parse(question, finder.knows)
    try:
        scores, cut, selection = finder.select(phrase)
        if not _compares(phrase):
            things = partial(finder.things, phrase, scores, selection)
            return _answer(question, phrase, scores, cut, selection, things, finder.notes)
        found = finder.compare(phrase)
    except NothingFound as nothing:
        empty = torch.zeros_like(mass, dtype=torch.bool)
        scores = nothing.scores or Scores(torch.zeros_like(mass), "none", "", 0.0)
        return _answer(question, phrase, scores, None, empty, tuple, [*finder.notes, str(nothing)])
    return _compared(question, phrase, scores, cut, found, finder)


def opacity_area(gaussians: Gaussians) -> Float[Tensor, " n"]:
    """How much each Gaussian may be seen, without looking: opacity times the area of its two longest axes."""
    return gaussians.opacities * gaussians.scales.topk(2, dim=-1).values.prod(-1)


def _compares(phrase: Phrase) -> bool:
    """Whether things are told apart: a colour alone is a matter of Gaussians."""
    attributes = phrase.attributes if phrase.noun else [a for a in phrase.attributes if a.kind != "colour"]
    return bool(attributes or phrase.relation)


def chosen(phrase: Phrase, found: Sequence[Found]) -> list[Found]:
    """Those of the compared things that are meant, the best first."""
    holds = [thing for thing in found if thing.holds]
    if phrase.only_one and (phrase.relation or any(a.kind == "extreme" for a in phrase.attributes)):
        return holds[:1]
    if not phrase.relation:
        return holds
    return [thing for thing in holds if thing.fit >= ALIKE * holds[0].fit]


def _compared(
    question: str, phrase: Phrase, scores: Scores, cut: float, found: Sequence[Found], finder: Finder
) -> Answer:
    meant = chosen(phrase, found)
    selection = torch.zeros(len(scores.values), dtype=torch.bool, device=scores.values.device)
    values = torch.zeros_like(scores.values)
    for thing in reversed(found):
        values[thing.rows] = scores.values[thing.rows] * thing.fit
    for thing in meant:
        selection[thing.rows] = True
    notes = list(finder.notes)
    if not meant:
        best = found[0]
        weakest = min(best.reasons.items(), key=lambda reason: reason[1])
        names = f"'{phrase.noun or 'thing'}'"
        count = f"The only {names}" if len(found) == 1 else f"None of the {len(found)} things that are {names}"
        verb = "does not fit" if len(found) == 1 else "fits"
        notes.append(f"{count} {verb} '{weakest[0]}' (the best reaches {weakest[1]:.2f} of 1, and it takes 0.50).")
    scores = replace(scores, values=values, kind=f"{scores.kind} x fit")
    return _answer(question, phrase, scores, cut, selection, lambda: found, notes)


def _answer(
    question: str,
    phrase: Phrase,
    scores: Scores,
    cut: float | None,
    selection: Bool[Tensor, " n"],
    things: Callable[[], Sequence[Found]],
    notes: Sequence[str],
) -> Answer:
    said = [*notes, f"{SCORE}{scores.kind}: {scores.what}."] if scores.what else notes
    sentences = tuple(dict.fromkeys(sentence for note in said for sentence in re.split(r"(?<=[.!?]) (?=[A-Z'])", note)))
    return Answer(
        tidy(question), str(phrase), scores.values, scores.kind, cut, selection, things, sentences,
        None if cut is None else scores.alike(cut),
    )  # fmt: skip
