"""Density control: where Gaussians are made, moved and taken away while a scene is fitted.

Both ways change a :class:`TrainState` by rows only; parameters, Adam's moments and statistics follow by the same rows.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .blend import Blend
from .project import rotations
from .train_types import TrainConfig, TrainState

DEAD = 0.005  # opacity under which a Gaussian is as good as gone
COPIES = 51  # largest number of Gaussians one is spread over at once (Kheradmand et al. 2024)
MCMC_GROWTH, MCMC_GROWTH_MOST = 0.05, 0.3  # this share is added at each refinement, up to the cap
MCMC_FULL_AT = 0.45  # of the fit: the cap is reached here at the latest
NOISE = 5e5  # times the learning rate of the means (Kheradmand et al. 2024)
CLASSIC_GRADIENT = 4e-4  # absolute gradient of the centre, in half pictures; gsplat's absgrad advice is 8e-4
CLASSIC_SMALL = 0.01  # of the scene's extent: smaller Gaussians are cloned, larger ones split
CLASSIC_LARGE = 0.1  # of the extent: larger ones are pruned after the first opacity reset
SPLIT_SHRINK = 1.6
WATCHED = {"mcmc": ("density.seen",), "classic": ("density.seen", "density.pull")}  # statistics, in the state


def per_row(state: TrainState) -> list[str]:
    """Names of the tensors that have one row per Gaussian."""
    count = len(state.tensors["means"])
    return [n for n, t in state.tensors.items() if t.ndim > 0 and len(t) == count and not n.startswith("run.")]


def gather(state: TrainState, rows: Int64[Tensor, " m"], fresh: Int64[Tensor, " k"]) -> None:
    """Keep ``rows`` (repeats allowed); those at positions ``fresh`` start with empty moments and new ids."""
    for name in per_row(state):
        state.tensors[name] = state.tensors[name][rows].contiguous()
        if "." in name:
            state.tensors[name][fresh] = 0
    first = int(state.numbers["next_id"])
    state.tensors["ids"][fresh] = torch.arange(first, first + len(fresh), device=rows.device)
    state.numbers["next_id"] = first + len(fresh)


def scene_extent(centers: Float[Tensor, "v 3"]) -> float:
    """1.1 times the largest distance of a camera from their mean, world units (Kerbl et al. 2023)."""
    spread = (centers - centers.mean(0)).norm(dim=-1).max().item()
    return 1.1 * spread if spread > 0 else 1.0


def ready(state: TrainState, config: TrainConfig) -> None:
    """Give a state the statistics that this way of density control keeps, where it has none."""
    for name in WATCHED[config.density]:
        state.tensors.setdefault(name, torch.zeros_like(state.tensors["logit_opacities"]))


def nothing_seen(state: TrainState, config: TrainConfig) -> list[Tensor]:
    """Where :func:`watch` sums up the views of a step: how many see a Gaussian and, classic, how they pull."""
    return [torch.zeros_like(state.tensors[name]) for name in WATCHED[config.density]]


def watch(found: list[Tensor], blend: Blend, config: TrainConfig) -> None:
    """After each backward pass: note which centres the picture pulls at and, classic, how much, in half pictures."""
    pull = config.batch * blend.center_gradients  # the loss was divided by it
    seen = blend.footprints.visible & (pull.abs().sum(-1) > 0)
    found[0] += seen.to(pull)
    if config.density == "classic":
        half = pull.new_tensor([blend.camera.width / 2, blend.camera.height / 2])
        found[1] += torch.where(seen, (pull * half).norm(dim=-1), 0.0)


def note(state: TrainState, found: Sequence[Tensor], config: TrainConfig) -> None:
    """Add what the views of a step showed to what is known so far."""
    for name, tensor in zip(WATCHED[config.density], found, strict=True):
        state.tensors[name] += tensor


# ---------------------------------------------------------------------------------------------------------------- MCMC


def relocated(
    opacities: Float[Tensor, " n"], log_scales: Float[Tensor, "n 3"], copies: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Opacities and log scales with which ``copies`` of a Gaussian look like one (Kheradmand et al. 2024, eq. 9)."""
    copies = copies.clamp(1, COPIES)
    new = 1.0 - (1.0 - opacities.double()).clamp_min(0) ** (1.0 / copies.double())
    most = int(copies.max()) if len(copies) else 1
    total = torch.zeros_like(new)
    for i in range(1, most + 1):
        terms = sum(math.comb(i - 1, k) * (-1) ** k / math.sqrt(k + 1) * new ** (k + 1) for k in range(i))
        total = total + torch.where(copies >= i, terms, 0.0)
    factor = (opacities.double() / total.clamp_min(1e-12)).log()
    return new.clamp(DEAD, 1 - 1e-6).to(opacities), log_scales + factor[:, None].to(log_scales)


def _spread_over(state: TrainState, sources: Int64[Tensor, " k"]) -> None:
    """Make room for one more copy of each source (repeats allowed) and let source and copies share its look."""
    rows, extra = torch.unique(sources, return_counts=True)
    opacities, log_scales = state.tensors["logit_opacities"][rows].sigmoid(), state.tensors["log_scales"][rows]
    opacities, log_scales = relocated(opacities, log_scales, extra + 1)
    state.tensors["logit_opacities"][rows] = opacities.logit()
    state.tensors["log_scales"][rows] = log_scales
    for name in per_row(state):
        if name.startswith("adam"):
            state.tensors[name][rows] = 0


def _sample(weights: Float[Tensor, " n"], count: int, generator: torch.Generator) -> Int64[Tensor, " k"]:
    """``count`` rows with probability proportional to ``weights``; works for any number of rows."""
    edges = weights.double().cumsum(0)
    places = torch.rand(count, generator=generator, dtype=torch.float64).to(edges) * edges[-1]
    return torch.searchsorted(edges, places, right=True).clamp_max(len(weights) - 1)


def refine_mcmc(state: TrainState, config: TrainConfig, rounds_left: int, generator: torch.Generator):
    """Move dead Gaussians onto living ones, then add some, never beyond the cap (Kheradmand et al. 2024, sec. 4).

    Args:
        rounds_left: refinements until the cap should be reached.
    """
    opacities = state.tensors["logit_opacities"].sigmoid()
    count = len(opacities)
    dead = (opacities <= DEAD).nonzero()[:, 0]
    if 0 < len(dead) < count:
        living = torch.where(opacities > DEAD, opacities, 0.0)
        sources = _sample(living, len(dead), generator)
        _spread_over(state, sources)
        rows = torch.arange(count, device=opacities.device)
        rows[dead] = sources
        gather(state, rows, dead)
        opacities = state.tensors["logit_opacities"].sigmoid()
    growth = (config.cap / max(count, 1)) ** (1.0 / max(rounds_left, 1)) - 1.0
    growth = min(max(growth, MCMC_GROWTH), MCMC_GROWTH_MOST)
    added = min(config.cap - count, math.ceil(growth * count))
    if added > 0:
        sources = _sample(opacities, added, generator)
        _spread_over(state, sources)
        rows = torch.cat([torch.arange(count, device=opacities.device), sources])
        gather(state, rows, torch.arange(count, count + added, device=opacities.device))


def add_noise(state: TrainState, rate: float, generator: torch.Generator) -> None:
    """Let faint Gaussians wander, along their own shape (Kheradmand et al. 2024, eq. 8)."""
    tensors = state.tensors
    opacities = tensors["logit_opacities"].sigmoid()
    rows = (opacities < 0.1).nonzero()[:, 0]  # the sigmoid below is under 3e-5 for all others
    if len(rows) == 0:
        return
    strength = torch.sigmoid(100.0 * (DEAD - opacities[rows])) * NOISE * rate
    noise = torch.randn(len(rows), 3, generator=generator).to(strength)
    turn = rotations(tensors["quats"][rows])
    local = torch.einsum("nji,nj->ni", turn, noise) * (2.0 * tensors["log_scales"][rows]).exp()
    tensors["means"][rows] += torch.einsum("nij,nj->ni", turn, local) * strength[:, None]


def hide_unseen(state: TrainState) -> None:
    """After each epoch: what no view has seen in it is dead, and moved by the next refinement.

    No picture holds it back, and no opacity says so: without this half of a scene can lie where nobody looks.
    """
    tensors = state.tensors
    whole = tensors["ids"] < state.numbers.get("epoch_id", 0)  # they were there all the epoch
    unseen = whole & (tensors["density.seen"] == 0)
    tensors["logit_opacities"][unseen] = math.log(DEAD / 2)
    tensors["density.seen"].zero_()
    state.numbers["epoch_id"] = state.numbers["next_id"]


# ------------------------------------------------------------------------------------------------------------- classic


def refine_classic(state: TrainState, config: TrainConfig, extent: float, generator: torch.Generator) -> None:
    """Clone small and split large Gaussians that are pulled at; prune faint and huge ones (Kerbl 2023, sec. 5.2)."""
    tensors = state.tensors
    scales = tensors["log_scales"].exp().amax(-1)
    pull = tensors["density.pull"] / tensors["density.seen"].clamp_min(1)
    faint = tensors["logit_opacities"].sigmoid() < DEAD
    huge = (scales > CLASSIC_LARGE * extent) & (state.numbers.get("resets", 0) > 0)
    keep = ~(faint | huge)
    wanted = (pull > CLASSIC_GRADIENT) & keep
    room = config.cap - int(keep.sum())
    if int(wanted.sum()) > room:  # the most wanted first
        order = torch.where(wanted, pull, -1.0).argsort(descending=True, stable=True)[: max(room, 0)]
        wanted = torch.zeros_like(wanted).index_fill(0, order, True)
    split = wanted & (scales > CLASSIC_SMALL * extent)
    kept, more = keep.nonzero()[:, 0], wanted.nonzero()[:, 0]
    rows = torch.cat([kept, more])
    divided = split[rows]
    gather(state, rows, torch.arange(len(kept), len(rows), device=rows.device))
    _divide(state, divided.nonzero()[:, 0], generator)
    state.tensors["density.pull"].zero_()
    state.tensors["density.seen"].zero_()


def _divide(state: TrainState, rows: Int64[Tensor, " k"], generator: torch.Generator) -> None:
    """Both halves of a split Gaussian: a sample of its own shape, 1.6 times smaller."""
    tensors = state.tensors
    noise = torch.randn(len(rows), 3, generator=generator).to(tensors["means"])
    local = noise * tensors["log_scales"][rows].exp()
    tensors["means"][rows] += torch.einsum("nij,nj->ni", rotations(tensors["quats"][rows]), local)
    tensors["log_scales"][rows] -= math.log(SPLIT_SHRINK)


def reset_opacities(state: TrainState, most: float = 0.02) -> None:
    """Pull all opacities down, so that what is not needed stays faint (Kerbl et al. 2023, sec. 5.2)."""
    logits = state.tensors["logit_opacities"]
    logits.clamp_max_(math.log(most / (1 - most)))
    for name in ("adam_first.logit_opacities", "adam_second.logit_opacities"):
        state.tensors[name].zero_()
    state.numbers["resets"] = state.numbers.get("resets", 0) + 1
