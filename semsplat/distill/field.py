"""A feature field: codes of the Gaussians and the linear decoder back to the teacher's channels; saved per scene.

Codes are columns of ``Gaussians.features``, so they follow every prune, edit and duplicate by rows; the last column of
a field is its reliability. There is no bias anywhere, so decoding commutes with the blend.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.ids import places
from ..splatting.tensors import load_tensors, save_tensors

FIELDS = "fields"  # folder in a scene folder
ORTHOGONAL = 1e-6  # of a decoder's rows: products of two of them are no more, in squares of their length


@dataclass(frozen=True)
class FeatureField:
    """Where in ``Gaussians.features`` a teacher's codes are, and what they mean."""

    teacher: str
    columns: slice  # of Gaussians.features: d codes; the column after them is the reliability
    decoder: Float[Tensor, "d c"]  # feature = code @ decoder, c the teacher's channels
    memory: dict[str, Any] = field(default_factory=dict)  # the teacher's own, to ask it again (JSON)
    facts: dict[str, Any] = field(default_factory=dict)  # how it was made and how well: method, seconds, errors (JSON)

    def codes(self, gaussians: Gaussians) -> Float[Tensor, "n d"]:
        """The Gaussians' codes."""
        return gaussians.features[:, self.columns]

    def reliability(self, gaussians: Gaussians) -> Float[Tensor, " n"]:
        """In [0, 1]: how well the views agree about each Gaussian; 0 where none sees it."""
        return gaussians.features[:, self.columns.stop]

    def decode(self, codes: Float[Tensor, "*b d"]) -> Float[Tensor, "*b c"]:
        """Features in the teacher's channels."""
        return codes @ self.decoder.to(codes)

    def norms(self, codes: Float[Tensor, "*b d"]) -> Float[Tensor, "*b 1"]:
        """Length of the decoded features, by the d x d Gram matrix; float32 where codes are in half precision.

        With a decoder of orthogonal rows, as lifting and joint fits have, no product with it is needed.
        """
        decoder = self.decoder.to(codes.device, _full(codes))
        gram, square = decoder @ decoder.T, decoder.square().sum() / max(1, len(decoder))
        if bool((gram - square * torch.eye(len(gram)).to(gram)).abs().max() <= ORTHOGONAL * square):
            return square.sqrt() * torch.linalg.vector_norm(codes, dim=-1, keepdim=True, dtype=gram.dtype)
        codes = codes.to(gram.dtype)
        return ((codes @ gram) * codes).sum(-1, keepdim=True).clamp_min(0.0).sqrt()

    def scores(self, codes: Float[Tensor, "*b d"], texts: Float[Tensor, "k c"]) -> Float[Tensor, "*b k"]:
        """Cosines of decoded features and texts, for Gaussians and images alike; 0 where there is no feature.

        Args:
            texts: need not be of unit length.
        """
        kind = _full(codes)
        texts = torch.nn.functional.normalize(texts.to(codes.device, kind), dim=-1)
        tiny = torch.finfo(kind).tiny ** 0.5
        norms, products = self.norms(codes), codes @ (self.decoder.to(texts) @ texts.T).to(codes)
        return torch.where(norms > tiny, products.to(kind) / norms.clamp_min(tiny), 0.0)

    def nearest(self, texts: Float[Tensor, "k c"], own: Int64[Tensor, " m"]) -> "Nearest":
        """Whether the text with the largest cosine is one of ``own``."""
        texts = torch.nn.functional.normalize(texts.float(), dim=-1)
        return Nearest((self.decoder.to(texts) @ texts.T).T, own)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Whether the nearest of some classes is one of those that are meant; the length of a feature does not matter."""

    classes: Float[Tensor, "k d"]  # products with codes are cosines, but for that length
    own: Int64[Tensor, " m"]

    def __call__(self, codes: Float[Tensor, "*b d"]) -> Bool[Tensor, "*b"]:
        return self.among(self.labels(codes))

    def labels(self, codes: Float[Tensor, "*b d"]) -> Int64[Tensor, "*b"]:
        """The nearest class of each."""
        return (codes @ self.classes.to(codes).T).max(-1).indices  # argmax takes longer

    def among(self, labels: Int64[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        """Which of these are meant."""
        meant = torch.zeros(len(self.classes), dtype=torch.bool, device=labels.device)
        meant[self.own.to(labels.device)] = True
        return meant[labels]


def _full(codes: Tensor) -> torch.dtype:
    """What is computed of codes: float32 of those in half precision."""
    return torch.float32 if codes.dtype.itemsize < 4 else codes.dtype


@dataclass(frozen=True)
class StoredField:
    """What a file in fields/ holds: the codes of Gaussians by id, ready to be attached to them."""

    teacher: str
    ids: Int64[Tensor, " n"]
    codes: Float[Tensor, "n d"]
    reliability: Float[Tensor, " n"]
    decoder: Float[Tensor, "d c"]
    memory: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def save(folder: Path, stored: StoredField) -> Path:
    """Write fields/<teacher>.safetensors in a scene folder, codes in half precision, in one step."""
    path = folder / FIELDS / f"{stored.teacher}.safetensors"
    tensors = {
        "ids": stored.ids,
        "codes": stored.codes.half(),
        "reliability": stored.reliability.half(),
        "decoder": stored.decoder.float(),
    }
    metadata = {"teacher": stored.teacher, "memory": json.dumps(stored.memory), "facts": json.dumps(stored.facts)}
    if not tensors["codes"].isfinite().all():
        raise InputError(f"The codes of '{stored.teacher}' are not finite in half precision; nothing was written.")
    save_tensors(path, tensors, metadata)
    return path


def load(path: Path) -> StoredField:
    """Read a file that :func:`save` wrote.

    Raises:
        InputError: missing, truncated, damaged, or not a field.
    """
    again = f"make it again with: semsplat distill {path.parent.parent} --teacher {path.stem}"
    tensors, metadata = load_tensors(path, again)
    try:
        codes, reliability, decoder = (tensors[name].float() for name in ("codes", "reliability", "decoder"))
        memory, facts = json.loads(metadata["memory"]), json.loads(metadata["facts"])
        stored = StoredField(metadata["teacher"], tensors["ids"], codes, reliability, decoder, memory, facts)
        fits = codes.ndim == decoder.ndim == 2 and codes.shape[1] == decoder.shape[0]
        fits &= stored.ids.shape == reliability.shape == codes.shape[:1]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not whole ({error}); {again}.") from error
    if not fits:
        raise InputError(f"{path} is not whole (its tables do not fit each other); {again}.")
    return stored


def attach(gaussians: Gaussians, stored: Iterable[StoredField]) -> tuple[Gaussians, dict[str, FeatureField]]:
    """The Gaussians with the codes of all fields as features, and the fields by teacher.

    Features that were there before are replaced; Gaussians that a field does not know get zeros and reliability 0.
    """
    columns, fields, width = [], {}, 0
    for one in stored:
        table = torch.cat([one.codes, one.reliability[:, None]], dim=1)
        table = torch.cat([table, table.new_zeros(1, table.shape[1])])  # -1: the last row
        columns.append(table[places(one.ids, gaussians.ids.cpu())].to(gaussians.means))
        dimension = one.codes.shape[1]
        place = slice(width, width + dimension)
        fields[one.teacher] = FeatureField(one.teacher, place, one.decoder, one.memory, one.facts)
        width += dimension + 1
    features = torch.cat(columns, dim=1) if columns else gaussians.means.new_zeros(len(gaussians), 0)
    return gaussians.replace(features=features), fields


def load_all(folder: Path) -> list[StoredField]:
    """All fields of a scene folder, by name; none when there is no such folder."""
    return [load(path) for path in sorted((folder / FIELDS).glob("*.safetensors")) if not path.name.startswith(".")]
