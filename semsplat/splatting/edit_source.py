"""Edits that bring Gaussians of their own; these are data of the edit and saved with it."""

from functools import cached_property

import torch
from jaxtyping import Int64

from . import id_sets
from .edit_base import Minting, mint
from .gaussians import Gaussians


class Sourced(Minting):
    """An edit with a ``source``: float32, on the CPU, without features; row k of it becomes ``minted[k]``."""

    source: Gaussians
    number: int  # its own in a list of edits, which gives it

    @property
    def minted(self) -> Int64[torch.Tensor, " k"]:
        """See :attr:`Minting.minted`."""
        return mint(self.number, torch.arange(len(self.source)))

    @cached_property
    def source_key(self) -> str:
        """See :func:`source_digest`; under this the source is saved."""
        return source_digest(self.source)


def plain(source: Gaussians) -> Gaussians:
    """As an edit keeps it: float32, on the CPU, no features, ids counted anew; rows that are not finite left out."""
    source = source.detach().to("cpu").float()
    whole = source.replace(features=source.means.new_zeros(len(source), 0), ids=torch.arange(len(source)))
    good = whole.is_finite()
    return whole if bool(good.all()) else whole[good].replace(ids=torch.arange(int(good.sum())))


def source_digest(source: Gaussians) -> str:
    """Says what Gaussians are, but for features and ids: under this they are saved."""
    return id_sets.digest(source.means, source.quats, source.log_scales, source.logit_opacities, source.sh)
