"""Real spherical harmonics of degree 0 to 3, in the order and with the signs of 3DGS files (Kerbl et al. 2023)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

C0 = 0.28209479177387814
C1 = 0.4886025119029199
C2 = (1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396)
C3 = (
    -0.5900435899266435,
    2.890611442640554,
    -0.4570457994644658,
    0.3731763325901154,
    -0.4570457994644658,
    1.445305721320277,
    -0.5900435899266435,
)


def count(degree: int) -> int:
    """Number of coefficients: 1, 4, 9, 16."""
    return (degree + 1) ** 2


def degree(coefficients: int) -> int:
    """Degree of a number of coefficients; the inverse of :func:`count`."""
    found = {1: 0, 4: 1, 9: 2, 16: 3}.get(coefficients)
    if found is None:
        raise ValueError(f"{coefficients} coefficients are no degree of spherical harmonics; 1, 4, 9 or 16 are.")
    return found


def from_color(color: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Degree-0 coefficient of a colour in [0, 1]."""
    return (color - 0.5) / C0


def basis(directions: Float[Tensor, "n 3"], coefficients: int) -> Float[Tensor, "n k"]:
    """Y_k of unit directions, k = 0..coefficients-1."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    columns = [torch.full_like(x, C0)]
    if coefficients > 1:
        columns += [-C1 * y, C1 * z, -C1 * x]
    if coefficients > 4:
        columns += [
            C2[0] * x * y,
            C2[1] * y * z,
            C2[2] * (2 * zz - xx - yy),
            C2[3] * x * z,
            C2[4] * (xx - yy),
        ]
    if coefficients > 9:
        columns += [
            C3[0] * y * (3 * xx - yy),
            C3[1] * x * y * z,
            C3[2] * y * (4 * zz - xx - yy),
            C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
            C3[4] * x * (4 * zz - xx - yy),
            C3[5] * z * (xx - yy),
            C3[6] * x * (xx - 3 * yy),
        ]
    return torch.stack(columns, dim=-1)


def evaluate(sh: Float[Tensor, "n k 3"], directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Sum of Y_k(direction) sh_k, without the 0.5."""
    return torch.einsum("nk,nkc->nc", basis(directions, sh.shape[1]), sh)


def rotation_matrix(rotation: Float[Tensor, "3 3"], coefficients: int) -> Float[Tensor, "k k"]:
    """What turns coefficients with the thing that they belong to: ``new = matrix @ old``, in double precision.

    The turned function has in direction d the value of the old one in R^-1 d. Each band turns in itself, so its block
    (Wigner's D) follows from as many directions as one likes, by least squares; 32 spread ones leave nothing open.
    """
    steps = torch.arange(32, dtype=torch.float64) + 0.5
    z, around = 1.0 - steps / 16.0, math.pi * (1.0 + 5.0**0.5) * steps  # points of a Fibonacci sphere
    ring = (1.0 - z * z).sqrt()
    directions = torch.stack([ring * around.cos(), ring * around.sin(), z], dim=-1)
    there = basis(directions, coefficients)
    back = basis(directions @ rotation.detach().cpu().double(), coefficients)
    matrix = torch.zeros(coefficients, coefficients, dtype=torch.float64)
    for band in range(degree(coefficients) + 1):
        own = slice(band**2, (band + 1) ** 2)
        matrix[own, own] = torch.linalg.lstsq(there[:, own], back[:, own]).solution
    return matrix


def rotated(sh: Float[Tensor, "n k 3"], rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "n k 3"]:
    """The coefficients of things that were turned by ``rotation``, so that they look the same from where it turned."""
    return rotation_matrix(rotation, sh.shape[1]).to(sh) @ sh


def colors(means: Float[Tensor, "n 3"], sh: Float[Tensor, "n k 3"], eye: Float[Tensor, "3"]) -> Float[Tensor, "n 3"]:
    """Colours of Gaussians seen from ``eye``: 0.5 + SH, cut off below 0 (Kerbl et al. 2023); the definition.

    A colour that is not finite is black: it never spreads over a picture.
    """
    found = evaluate(sh, torch.nn.functional.normalize(means - eye, dim=-1)) + 0.5
    return torch.where((found > 0) & found.isfinite(), found, 0.0)
