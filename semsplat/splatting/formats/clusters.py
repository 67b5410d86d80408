"""A few values, or rows, that stand for many: codebooks and palettes, by k-means (Lloyd 1982). Always the same."""

import math

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

ROUNDS = 12, 4  # of Lloyd's iteration: of numbers, of rows
AT_ONCE = 1 << 24  # distances
WORTH = 1 << 18  # distances of one round beyond which rows are first divided among coarse clusters
COARSE, SAMPLE = 64, 16_384  # clusters of a division at most, rows that these are found from
DEEPEST = 6  # divisions of divisions


def codebook(values: np.ndarray, most: int = 256) -> np.ndarray:
    """At most so many values, ascending, that are near all ``values``; the least and the largest are among them.

    Exactly the values when there are no more different ones.
    """
    ordered = np.sort(values.astype(np.float64).ravel())
    different = ordered[np.r_[True, np.diff(ordered) > 0]] if len(ordered) else np.zeros(1)
    if len(different) <= most:
        return different
    # the best density of centres is that of the values to the third (Panter and Dite 1951)
    edges = np.quantile(different, np.linspace(0.0, 1.0, 1025))
    counts = np.histogram(ordered, np.unique(edges))[0].astype(np.float64)
    widths = np.diff(np.unique(edges))
    share = np.cumsum(counts ** (1.0 / 3.0) * widths ** (2.0 / 3.0))
    centers = np.interp(np.linspace(0.0, share[-1], most), np.r_[0.0, share], np.unique(edges))
    sums = np.r_[0.0, np.cumsum(ordered)]
    for _ in range(ROUNDS[0]):
        centers[0], centers[-1] = ordered[0], ordered[-1]
        ends = np.r_[0, np.searchsorted(ordered, 0.5 * (centers[1:] + centers[:-1])), len(ordered)]
        size = np.diff(ends)
        centers = np.where(size > 0, (sums[ends[1:]] - sums[ends[:-1]]) / np.maximum(size, 1), centers)
    centers[0], centers[-1] = ordered[0], ordered[-1]
    return np.sort(centers)


def nearest(values: np.ndarray, book: np.ndarray) -> np.ndarray:
    """The place of the nearest entry of an ascending codebook for each value."""
    return np.searchsorted(0.5 * (book[1:] + book[:-1]), values)


def palette(rows: Float[Tensor, "n d"], most: int) -> tuple[Float[Tensor, "k d"], Int64[Tensor, " n"]]:
    """At most so many rows that are near all ``rows``, and which of them each is nearest to, about.

    Exactly the rows when there are no more different ones.
    """
    if not len(rows):
        return rows.new_zeros(1, rows.shape[1]), torch.zeros(0, dtype=torch.int64)
    first, label = _different(rows)
    if len(first) <= most:
        return rows[first], label
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # thousands of small steps: threads would wait for each other most of the time
    try:
        centers, of_each = _divided(rows[first], most, 0)
    finally:
        torch.set_num_threads(threads)
    return centers, of_each[label]


def _different(rows: Float[Tensor, "n d"]) -> tuple[Int64[Tensor, " k"], Int64[Tensor, " n"]]:
    """The first row of each kind, and the kind of each row."""
    words = np.ascontiguousarray(rows.numpy()).view(np.uint32)
    factors = np.random.default_rng(0).integers(1, 2**63, words.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys = np.zeros(len(words), np.uint64)
    for column, factor in zip(words.T, factors, strict=True):
        keys += column.astype(np.uint64) * factor
    _, first, label = np.unique(keys, return_index=True, return_inverse=True)
    found, kinds = torch.from_numpy(first), torch.from_numpy(label.reshape(-1))
    if not torch.equal(rows[found][kinds], rows):  # two kinds have one key: once in an age
        return torch.arange(len(rows)), torch.arange(len(rows))
    return found, kinds


def _divided(rows: Float[Tensor, "n d"], most: int, depth: int) -> tuple[Float[Tensor, "k d"], Int64[Tensor, " n"]]:
    """k-means; of many rows and centres, in parts that coarse clusters make."""
    if len(rows) <= most:
        return rows, torch.arange(len(rows))
    parts = min(COARSE, math.ceil(math.sqrt(len(rows) * most / WORTH)))
    if parts == 1 or most < 2 * parts or depth == DEEPEST:
        return _k_means(rows, most)
    spread = torch.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).long()
    coarse = _nearest(rows, _k_means(rows[spread], parts)[0])
    label, centers, made = torch.empty(len(rows), dtype=torch.int64), [], 0
    for number in range(parts):
        mine = (coarse == number).nonzero()[:, 0]
        if len(mine):
            share = max(1, (most - parts) * len(mine) // len(rows))
            found, of_each = _divided(rows[mine], share, depth + 1)
            label[mine] = made + of_each
            centers.append(found)
            made += len(found)
    return torch.cat(centers), label


def _k_means(rows: Float[Tensor, "n d"], most: int) -> tuple[Float[Tensor, "k d"], Int64[Tensor, " n"]]:
    make = torch.Generator().manual_seed(0)
    centers = rows[torch.randperm(len(rows), generator=make)[:most].sort().values].clone()
    for _ in range(ROUNDS[1]):
        label = _nearest(rows, centers)
        sums = torch.zeros_like(centers, dtype=torch.float64).index_add_(0, label, rows.double())
        count = torch.bincount(label, minlength=len(centers))[:, None]
        centers = torch.where(count > 0, (sums / count.clamp_min(1)).to(rows), centers)
    return centers, _nearest(rows, centers)


def _nearest(rows: Float[Tensor, "n d"], centers: Float[Tensor, "k d"]) -> Int64[Tensor, " n"]:
    half = 0.5 * (centers * centers).sum(1)
    step = max(1, AT_ONCE // len(centers))
    parts = [(half - part @ centers.T).argmin(1) for part in rows.split(step)]
    return torch.cat(parts)
