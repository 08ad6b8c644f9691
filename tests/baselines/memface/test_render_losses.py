"""Eq. 6 of MemFace."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.memface import render_losses


def test_l2_is_the_root_mean_square_of_each_image():
    target = torch.zeros(2, 3, 4, 4)
    rendered = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.1)])
    assert render_losses.l2(rendered, target) == pytest.approx(0.3, abs=1e-5)


def test_l2_counts_only_where_it_is_told_to():
    target, rendered, where = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    rendered[..., 0, 0], rendered[..., 3, 3], where[..., 0, 0] = 0.5, 9.0, 1
    assert render_losses.l2(rendered, target, where) == pytest.approx(0.5, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-8, 8), st.floats(-8, 8))
def test_adversarial_terms_are_the_printed_logarithms(real, fake):
    def d(x):
        return 1 / (1 + math.exp(-x))

    verdicts = torch.tensor([real], dtype=torch.float64), torch.tensor([fake], dtype=torch.float64)
    assert render_losses.discriminator(*verdicts) == pytest.approx(-math.log(d(real)) - math.log(1 - d(fake)), abs=1e-6)
    assert render_losses.generator(verdicts[1]) == pytest.approx(math.log(1 - d(fake)), abs=1e-6)


def test_total_weighs_by_20_and_1():
    rendered, target = torch.full((1, 3, 2, 2), 0.25), torch.zeros(1, 3, 2, 2)
    feature = torch.ones(1, 2, 2, 2)
    alone = render_losses.total(rendered, target, ([feature * 1.5], [feature]), None)
    assert alone == pytest.approx(20 * (0.25 + 0.5), abs=1e-4)
    judged = render_losses.total(rendered, target, ([feature * 1.5], [feature]), torch.zeros(4))
    assert judged - alone == pytest.approx(-math.log(2), abs=1e-5)
