"""Evidence about some Gaussians carried to all of them: the random walker (Grady 2006) on the graph.

A walker starts at a Gaussian and steps to its neighbours, rarely over unlike joints, until it meets evidence; the
answer is the chance that it meets evidence for, which is one sparse linear system, solved by conjugate gradients.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .graph import Graph

TRUST = 0.01  # of evidence against the joints of a Gaussian: higher follows the evidence, lower smooths it
STEPS = 40  # of conjugate gradients, at most
LEAK = 1e-5  # evidence against, everywhere: what no evidence reaches is not selected
LEAN = 1e-3  # evidence for what is likely, everywhere, where that is known


def walk(
    graph: Graph,
    inside: Float[Tensor, " n"],
    outside: Float[Tensor, " n"],
    likely: Bool[Tensor, " n"] | None = None,
    trust: float = TRUST,
) -> Float[Tensor, " n"]:
    """The chance of each Gaussian to belong, in [0, 1].

    Args:
        inside, outside: weight of the evidence for and against each Gaussian, from 0; only ratios matter.
        likely: what decides where no evidence reaches; nothing is likely when not given.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    weight = (inside + outside).numpy()
    scale = weight[weight > 0].mean() if (weight > 0).any() else np.float32(1.0)
    joined, total = graph.conductance
    guess = np.zeros(len(graph), np.float32) if likely is None else likely.numpy().astype(np.float32)
    lean = np.float32(LEAK if likely is None else LEAN)
    diagonal = total + trust * weight / scale + lean
    size = (len(graph), len(graph))

    def times(x: np.ndarray) -> np.ndarray:
        return diagonal * x - joined @ x

    def jacobi(x: np.ndarray) -> np.ndarray:
        return x / diagonal

    system = LinearOperator(size, times, dtype=np.float32)  # type: ignore[call-arg]  # SciPy makes another class of it
    scaled = LinearOperator(size, jacobi, dtype=np.float32)  # type: ignore[call-arg]  # the preconditioner
    start = np.where(weight > 0, (inside / (inside + outside).clamp_min(1e-30)).numpy(), guess)
    chance, _ = cg(system, trust * inside.numpy() / scale + lean * guess, x0=start, rtol=1e-2, maxiter=STEPS, M=scaled)
    return torch.from_numpy(chance).float().clamp(0.0, 1.0)
