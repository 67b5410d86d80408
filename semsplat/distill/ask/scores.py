"""How well Gaussians fit words. What a score is, is always said: a cosine, a relevancy or a probability."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ...splatting.blend import Blend
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ..field import FeatureField
from ..segment.refine import Alike
from ..teachers.base import Teacher, TextTeacher
from ..teachers.labels import LabelsTeacher

TEMPERATURE = 0.1  # of relevancy: LERF's code scales cosines by 10
SHARPNESS = 0.07  # temperature of probabilities: LSeg's, which was trained with 1 / 0.07 (Li et al. 2022)
LEAST_COVERAGE = 0.1  # a heat map says nothing where less of a pixel is covered


@dataclass(frozen=True)
class Scores:
    """One number for each Gaussian, and what it is."""

    values: Float[Tensor, " n"]
    kind: str  # cosine, relevancy or probability
    what: str  # what the number means, in a sentence
    least: float  # no threshold of ours is below it: less means nothing
    natural: float | None = None  # the threshold that the score has by its meaning; None: it is chosen from the values
    of: Callable[[Float[Tensor, "*b d"]], Float[Tensor, "*b"]] | None = None  # of any codes; None: they do not decide
    nearest: Alike | None = None  # whether codes are nearer to the words than to all else that is known

    def alike(self, threshold: float) -> Alike | None:
        """Whether codes reach a threshold, where codes decide; at the natural one it is the nearest that counts."""
        of = self.of
        if self.nearest is not None and threshold == self.natural:
            return self.nearest
        return None if of is None else lambda codes: of(codes) >= threshold


@dataclass(frozen=True)
class Segmentation:
    """Which of several names each Gaussian is."""

    names: tuple[str, ...]
    labels: Int64[Tensor, " n"]  # index into names; -1 for something else
    probabilities: Float[Tensor, "n k"]  # of each name; what is missing to 1 is something else
    notes: tuple[str, ...]  # how names were taken


def words_of(teacher: Teacher) -> TextTeacher:
    """The teacher as one that can be asked in words.

    Raises:
        InputError: it cannot.
    """
    if isinstance(teacher, TextTeacher):
        return teacher
    raise InputError(
        f"The features of '{teacher.name}' cannot be asked in words; distil a teacher that reads (labels, lseg, "
        "tipsv2, clip), or point at things with: semsplat select"
    )


def score(
    gaussians: Gaussians, field: FeatureField, teacher: Teacher, text: str, negatives: Sequence[str] = ()
) -> Scores:
    """How well each Gaussian fits a text.

    Relevancy where there is something to compare with: the least over negatives of the softmax of the two cosines
    (Kerr et al. 2023, LERF, section 3.3). The negatives are the teacher's own and the given ones; annotations need
    none of their own, there the score is the cosine with the nearest of the classes that the text names.

    Raises:
        InputError: the teacher cannot be asked in words, or not in these.
    """
    reader = words_of(teacher)
    own = () if isinstance(reader, LabelsTeacher) else tuple(reader.negatives(text))
    against = tuple(dict.fromkeys((*own, *negatives)))

    def of(codes: Float[Tensor, "*b d"]) -> Float[Tensor, "*b"]:
        columns = _cosines(field, codes, reader, [text, *against])
        return relevancy(columns[..., 0], columns[..., 1:]) if against else columns[..., 0]

    values = of(field.codes(gaussians))
    if against:
        return Scores(values, "relevancy", f"0.5 is as near to the words as to: {', '.join(against[:6])}", 0.5, of=of)
    if isinstance(reader, LabelsTeacher):
        what = "cosine with the class's code, 1 where every annotation agrees"
        own = torch.tensor(reader.match(text).classes)
        return Scores(values, "cosine", what, 0.5, 0.5, of, field.nearest(reader.codes, own))
    return Scores(values, "cosine", "cosine of feature and text", 0.0, of=of)


def relevancy(
    cosines: Float[Tensor, "*b"], negatives: Float[Tensor, "*b m"], temperature: float = TEMPERATURE
) -> Float[Tensor, "*b"]:
    """The least over negatives of exp(c / T) / (exp(c / T) + exp(negative / T)), in (0, 1): Kerr et al. 2023."""
    return torch.sigmoid((cosines - negatives.amax(-1)) / temperature)


def segment(
    gaussians: Gaussians,
    field: FeatureField,
    teacher: Teacher,
    names: Sequence[str],
    negatives: Sequence[str] = (),
    temperature: float = SHARPNESS,
) -> Segmentation:
    """Each Gaussian's best name, or something else: the softmax of the cosines over names and negatives.

    Something else is the best of the teacher's negatives (for annotations: of the classes that no name means) and of
    the given ones. The best name does not depend on the temperature.

    Raises:
        InputError: no names, one twice, or words that the teacher does not know.
    """
    reader, tidied = words_of(teacher), [" ".join(name.split()) for name in names]
    if not tidied or len(set(tidied)) < len(tidied):
        raise InputError("Give at least one name, and each only once.")
    codes = field.codes(gaussians)
    known = dict.fromkeys(negatives)
    if not isinstance(reader, LabelsTeacher):
        known |= dict.fromkeys(other for name in tidied for other in reader.negatives(name) if other not in tidied)
    columns = _cosines(field, codes, reader, [*tidied, *known])
    if isinstance(reader, LabelsTeacher):
        meant = {number for name in tidied for number in reader.match(name).classes}
        rest = [number for number in range(len(reader.codes)) if number not in meant]
        columns = torch.cat([columns, field.scores(codes, reader.codes[rest])], dim=1)
    columns, others = columns[:, : len(tidied)], columns[:, len(tidied) :]
    other = others.amax(1) if others.shape[1] else torch.full_like(columns[:, 0], -1.0)
    shares = torch.softmax(torch.cat([columns, other[:, None]], dim=1) / temperature, dim=1)
    seen = field.norms(codes)[:, 0] > 0
    best = shares.argmax(1)
    labels = torch.where(seen & (best < len(tidied)), best, -1)
    notes = tuple(dict.fromkeys(note for name in tidied if (note := reader.remark(name))))
    return Segmentation(tuple(tidied), labels, shares[:, :-1] * seen[:, None], notes)


def heat(blend: Blend, values: Float[Tensor, " n"]) -> Float[Tensor, "h w"]:
    """What a camera sees of scores: their coverage-weighted mean W s / W 1; nan where coverage is under 0.1.

    With unit features it is the cosine of W F times the length of W F / W 1, so it differs from the cosine of what is
    seen by no more than 1 minus that length: by how much the Gaussians behind the pixel disagree.
    """
    image, alpha = blend.composite(values[:, None])
    return torch.where(alpha >= LEAST_COVERAGE, image / alpha.clamp_min(LEAST_COVERAGE), torch.nan)[..., 0]


def seen_cosine(
    blend: Blend, gaussians: Gaussians, field: FeatureField, text: Float[Tensor, " c"]
) -> Float[Tensor, "h w"]:
    """The cosine of what a camera sees, W F, with a text, in codes; for evaluation."""
    return field.scores(blend @ field.codes(gaussians), text[None])[..., 0]


def _cosines(
    field: FeatureField, codes: Float[Tensor, "*b d"], reader: TextTeacher, texts: Sequence[str]
) -> Float[Tensor, "*b k"]:
    """Cosines with texts; where one names several classes, with the nearest of their codes."""
    if not isinstance(reader, LabelsTeacher):
        return field.scores(codes, reader.read(texts))
    meant = [reader.codes[list(reader.match(text).classes)] for text in texts]
    every = field.scores(codes, torch.cat(meant)).split([len(some) for some in meant], dim=-1)
    return torch.stack([columns.amax(-1) for columns in every], dim=-1)
