from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from baselines.memface import losses
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression, parameters, stream
from baselines.memface.memory import ImplicitMemory, PairMemory, pairs
from baselines.memface.variants import VARIANTS

# Numbers of parameters of the form that fits what the paper prints, and what it prints (Tables 5a and 7), in thousands.
COUNTS = {
    "memface": (241_749, 240),
    "memface-d32": (177_749, 178),
    "memface-d96": (313_941, 314),
    "memface-d128": (382_037, 382),
    "memface-m500": (177_749, 177),
    "memface-m1500": (305_749, 305),
    "memface-m2000": (369_749, 369),
    "memface-no-implicit": (109_653, None),
    "memface-noise-memory": (241_749, None),
}


@pytest.mark.parametrize(("name", "numbers"), COUNTS.items())
def test_numbers_of_parameters_are_those_of_the_papers_tables(name, numbers):
    found = parameters(AudioToExpression(A2EConfig(**VARIANTS[name].a2e)))
    exact, printed = numbers
    assert found == exact
    if printed:
        assert abs(found / 1000 - printed) / printed < 0.01


def test_literal_projections_are_four_matrices():
    found = parameters(AudioToExpression(A2EConfig(projections="literal")))
    assert found == 241_749 + 3 * 64 * 64


def test_a_memory_is_a_softmax_over_scaled_products():
    memory = ImplicitMemory(7, 6, 4)
    query = torch.randn(2, 3, 4)
    score = query @ memory.query.weight.T @ memory.keys.T / math.sqrt(4)
    share = torch.exp(score) / torch.exp(score).sum(-1, keepdim=True)
    torch.testing.assert_close(memory.similarity(query), share)
    torch.testing.assert_close(memory(query), share @ memory.values @ memory.out.weight.T)


def test_absorbed_matrices_take_nothing_away():
    literal, plain = ImplicitMemory(7, 4, 4, "literal"), ImplicitMemory(7, 4, 4)
    with torch.no_grad():
        plain.keys.copy_(literal.keys @ literal.key.weight.T @ literal.query.weight)
        plain.values.copy_(literal.values @ literal.value.weight.T)
        plain.out.weight.copy_(literal.out.weight)
    query = torch.randn(5, 4)
    torch.testing.assert_close(plain(query), literal(query))


def test_the_memory_is_added_to_the_query():
    torch.manual_seed(0)
    network = AudioToExpression(A2EConfig(features=5, coefficients=3, slots=9)).eval()
    speech = torch.randn(1, 6, 5)
    query = network.query(speech)
    by_hand = network.coefficients(network.decoder(query + network.memory(query)))
    torch.testing.assert_close(network(speech), by_hand)
    assert not torch.allclose(by_hand, network.coefficients(network.decoder(query)))


def test_forgetting_is_seeded_noise():
    one, other = ImplicitMemory(500, 8), ImplicitMemory(500, 8)
    one.forget(3)
    other.forget(3)
    assert torch.equal(one.keys, other.keys) and not torch.equal(one.keys, one.values)
    assert one.values.std().item() == pytest.approx(1, abs=0.05)


def test_pairs_of_data_are_stored_and_retrieved():
    memory = PairMemory(4, 2, 3, dim=2, width=2)
    assert parameters(memory) == 2 * 2 + 3 * 2 + 2 * 2  # what is stored does not learn
    features, coefficients = torch.eye(2).repeat(5, 1) * 50, torch.arange(30.0).reshape(10, 3)
    memory.rebuild(features, coefficients)
    assert memory.keys.shape == (4, 2) and torch.equal(memory.values, coefficients[[0, 3, 6, 9]])
    assert pairs(3, 10).tolist() == [0, 1, 2]
    with torch.no_grad():
        memory.key.weight.copy_(torch.eye(2))
    torch.testing.assert_close(memory.similarity(torch.tensor([[1.0, 0]]))[0], torch.tensor([0.5, 0, 0.5, 0]))


def small() -> AudioToExpression:
    torch.manual_seed(1)
    return AudioToExpression(A2EConfig(features=5, coefficients=3, slots=9, window=8, width=16, heads=2)).eval()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.lists(st.integers(1, 11), min_size=1, max_size=20))
def test_the_result_does_not_depend_on_how_the_sound_comes(count, sizes):
    network, speech = small(), torch.randn(count, 5, generator=torch.Generator().manual_seed(count))
    whole = torch.cat(list(stream(network, [speech])))
    cuts = [min(sum(sizes[:k]), count) for k in range(len(sizes) + 1)] + [count]
    parts = torch.cat(list(stream(network, (speech[a:b] for a, b in zip(cuts, cuts[1:])))))
    assert whole.shape == (count, 3) and torch.equal(whole, parts)


def test_every_frame_is_the_mean_of_two_windows_at_fixed_places():
    network, speech = small(), torch.randn(11, 5)
    found = torch.cat(list(stream(network, [speech])))
    sums = torch.zeros(11, 3)
    for start in range(-4, 12, 4):
        inside = [k for k in range(8) if 0 <= start + k < 11]
        if not inside:
            continue
        window, outside = torch.zeros(1, 8, 5), torch.ones(1, 8, dtype=torch.bool)
        for k in inside:
            window[0, k], outside[0, k] = speech[start + k], False
        answer = network(window, outside)[0]
        for k in inside:
            sums[start + k] += answer[k] * (min(k, 7 - k) + 0.5) / 4
    torch.testing.assert_close(found, sums)


def test_what_is_outside_the_clip_is_not_heard():
    network, speech = small(), torch.randn(1, 8, 5)
    outside = torch.arange(8)[None] > 4
    other = torch.where(outside[..., None], 100.0, speech)
    torch.testing.assert_close(network(speech, outside)[:, :5], network(other, outside)[:, :5])


def test_silence_of_no_length_gives_nothing():
    assert list(stream(small(), [])) == [] and list(stream(small(), [torch.zeros(0, 5)])) == []


@given(st.integers(2, 12), st.integers(1, 5), st.integers(0, 99))
def test_corr_is_the_double_sum_of_cosines(count, width, seed):
    rows = torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    double = sum(
        nn.functional.cosine_similarity(rows[i], rows[j], dim=0) for i in range(count) for j in range(count) if i != j
    )
    torch.testing.assert_close(losses.corr(rows), torch.as_tensor(double))


def test_the_regularizer_is_highest_for_equal_slots():
    same, apart = torch.ones(6, 3), torch.eye(6)
    assert losses.memory_loss(same, same).item() == pytest.approx(2)
    assert losses.memory_loss(apart, apart).item() == pytest.approx(0, abs=1e-6)


def test_distances_are_of_a_frame_and_their_mean_over_frames():
    predicted, truth = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    predicted[0, 0] = torch.tensor([3.0, 4, 0, 0])
    assert losses.coefficient_loss(predicted, truth).item() == pytest.approx(5 / 6)
    vertices = torch.zeros(1, 2, 4, 3)
    vertices[0, 1, :, 2] = 1  # four vertices by 1 cm
    assert losses.vertex_loss(vertices, torch.zeros_like(vertices)).item() == pytest.approx(1)
