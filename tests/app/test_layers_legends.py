"""Legends: what colours mean, as data and as pictures for light and dark pages."""

import numpy as np
import pytest
import torch

from semsplat.app import legends
from semsplat.app.layers_meaning import Heat

HEAT = Heat(torch.cat([0.1 + 0.05 * torch.rand(900), 0.8 + 0.1 * torch.rand(100)]), 0.0, 1.0)


def test_entries_are_sorted_by_how_much_is_there() -> None:
    colors = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    found = legends.entries(["mug", "chair", "moon"], colors, torch.tensor([1, 1, -1, 0, 1]))
    assert [(line.name, line.hex, line.count) for line in found] == [
        ("chair", "#00ff00", 3),
        ("mug", "#ff0000", 1),
        ("moon", "#0000ff", 0),
    ]
    assert legends.entries([], [], torch.tensor([-1])) == []


@pytest.mark.parametrize("dark", [True, False])
def test_the_threshold_stands_where_it_is_on_the_bar(dark: bool) -> None:
    plain = legends.heat_legend(HEAT, None, "cosine", dark)
    marked = legends.heat_legend(HEAT, 0.5, "cosine", dark)
    assert plain.shape == marked.shape and plain.shape[1] == 600
    assert (plain[0, 0] < 60).all() if dark else (plain[0, 0] == 255).all()
    row = 2 * legends.LINE + legends.TALL - 1  # the foot of the histogram
    columns = np.flatnonzero(np.abs(plain[row].astype(int) - marked[row]).max(-1) > 40)
    assert {299, 300} & set(columns.tolist()), "the line"
    paper = plain[0, 0].astype(int)
    pale, full = (np.abs(picture[row, 60:90].astype(int) - paper).mean() for picture in (marked, plain))
    assert pale < 0.6 * full, "what is below the threshold is pale"
    assert (marked[row, 490:530] == plain[row, 490:530]).all()


@pytest.mark.parametrize("threshold", [-3.0, 9.0, float("inf")])
def test_a_threshold_beyond_the_ends_stands_at_the_end(threshold: float) -> None:
    picture = legends.heat_legend(HEAT, threshold, "cosine", True)
    middle = picture[2 * legends.LINE + 10 : 2 * legends.LINE + legends.TALL, 250:350]
    assert (middle == picture[0, 0]).all(), "no line in the empty middle"


def test_any_scores_and_any_words_have_a_legend() -> None:
    for scores in (torch.zeros(0), torch.full((5,), torch.nan), torch.ones(5)):
        assert legends.heat_legend(Heat(scores, 0.0, 1e-6), 0.5, "long " * 40 + "\n<b>", False).shape[1] == 600


def test_names_on_white_and_on_dark_paper() -> None:
    named = [("mug", (1.0, 0.0, 0.0))]
    light, dark = legends.names(named, 200, dark=False), legends.names(named, 200)
    assert light[0, 0].tolist() == [255, 255, 255] and dark[0, 0].max() < 40
    assert (light == (255, 0, 0)).all(-1).sum() == (dark == (255, 0, 0)).all(-1).sum() > 100
