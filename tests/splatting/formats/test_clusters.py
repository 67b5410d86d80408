"""Codebooks and palettes: exact when there is room, near when not, always the same."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semsplat.splatting.formats import clusters
from semsplat.splatting.formats.clusters import codebook, nearest, palette


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=200), st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_a_codebook_reaches_from_the_least_to_the_largest(numbers: list[float], most: int) -> None:
    values = np.array(numbers)
    book = codebook(values, most)
    assert len(book) <= most and bool((np.diff(book) >= 0).all())
    assert book[0] == values.min() and book[-1] == values.max()
    error = np.abs(book[nearest(values, book)] - values)
    assert (error <= 0.5 * np.diff(book).max(initial=0.0) + 1e-9 * np.abs(values).max()).all()
    if len(set(numbers)) <= most:
        assert error.max() == 0


def test_a_codebook_is_better_than_even_steps() -> None:
    values = np.random.default_rng(0).standard_normal(50_000)
    book = codebook(values)
    even = np.linspace(values.min(), values.max(), 256)
    error = [np.square(b[nearest(values, b)] - values).mean() for b in (book, even)]
    assert len(book) == 256 and error[0] < 0.55 * error[1]
    assert codebook(np.zeros(0)).tolist() == [0.0]


def test_rows_that_fit_are_kept() -> None:
    rows = torch.randn(300, 9, generator=torch.Generator().manual_seed(0))
    again = rows[torch.randint(300, (5000,), generator=torch.Generator().manual_seed(1))]
    found, label = palette(again, 300)
    assert len(found) <= 300 and torch.equal(found[label], again)
    assert palette(rows[:0], 10)[1].shape == (0,)


@pytest.mark.parametrize("worth", [1 << 28, 1 << 12])
def test_many_rows_share_a_palette(monkeypatch: pytest.MonkeyPatch, worth: int) -> None:
    """In one go and divided, about alike; threads are as before."""
    monkeypatch.setattr(clusters, "WORTH", worth)
    make = torch.Generator().manual_seed(0)
    kinds = torch.randn(60, 9, generator=make)
    rows = kinds[torch.randint(60, (6000,), generator=make)] + 0.02 * torch.randn(6000, 9, generator=make)
    threads = torch.get_num_threads()
    found, label = palette(rows, 400)
    assert torch.get_num_threads() == threads and len(found) <= 400 and int(label.max()) < len(found)
    assert float((found[label] - rows).square().mean().sqrt()) < 0.1
    again, same = palette(rows, 400)
    assert torch.equal(found, again) and torch.equal(label, same)
