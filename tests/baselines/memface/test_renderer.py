"""MemFace's U-Net with its memory (Eq. 5), and where it looks."""

import numpy as np
import pytest
import torch

from baselines.facemesh.canonical import Pose, canonical, mouth
from baselines.memface import view
from baselines.memface.renderer import ExplicitMemory, Renderer, laid
from baselines.memface.view import Framing

SIDE = 32
VIEW = {"side": SIDE, "width": 16.0, "patch": 18, "patch_width": 9.0}


def renderer(memory="explicit", slots=6, **more):
    torch.manual_seed(0)
    config = {"widths": [8, 8, 16], "view": VIEW, "memory": memory, "slots": slots} | more
    network = Renderer(config).eval()
    if memory == "explicit":
        network.memory.fill(torch.randn(slots, 69, 3), torch.randint(0, 256, (slots, 3, 18, 18), dtype=torch.uint8))
    return network


def inputs(count=2):
    torch.manual_seed(1)
    masked = torch.zeros(count, 1, SIDE, SIDE)
    masked[..., 10:, 6:26] = 1
    images = torch.rand(2, count, 3, SIDE, SIDE)
    place = torch.eye(2, 3).repeat(count, 1, 1) * 1.8
    return images[0], images[1], masked, torch.randn(count, 69, 3), place


def turned(degrees=12.0, place=(40.0, 44.0, 0.0)):
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return Pose(rotation, 3.0, np.array(place))


def mask(pose, person, mesh):
    return view.mask(pose, person, view.outer_lips(mesh), 96, 96)


@pytest.mark.parametrize("memory", ["explicit", "implicit", "none"])
@torch.inference_mode()
def test_what_is_masked_in_the_template_changes_nothing(memory):
    network, (drawn, template, masked, query, place) = renderer(memory), inputs()
    other = torch.where(masked > 0, torch.rand_like(template), template)
    answer = network(drawn, template, masked, query, place)
    assert answer.shape == (2, 3, SIDE, SIDE) and answer.min() >= 0 and answer.max() <= 1
    assert torch.equal(answer, network(drawn, other, masked, query, place))
    outside = torch.where(masked > 0, template, torch.rand_like(template))
    assert not torch.equal(answer, network(drawn, outside, masked, query, place))


@torch.inference_mode()
def test_the_memory_changes_the_answer_and_no_memory_reads_none():
    network, given = renderer(), inputs()
    before = network(*given)
    network.memory.fill(network.memory.keys, 255 - network.memory.patches)
    assert not torch.allclose(before, network(*given))
    assert not any("memory" in key or "values" in key for key in renderer("none").state_dict())


@torch.inference_mode()
def test_a_memory_of_another_size_can_be_filled_in():
    network, given = renderer(), inputs()
    network.memory.fill(torch.randn(3, 69, 3), torch.zeros(3, 3, 18, 18, dtype=torch.uint8))
    assert network.memory.attend(given[3]).shape == (2, 3) and network(*given).isfinite().all()


@torch.inference_mode()
def test_the_closer_the_larger_the_weight():
    memory = ExplicitMemory(5, 69, 4, "distance")
    keys = torch.randn(5, 69, 3)
    memory.fill(keys, torch.zeros(5, 3, 4, 4, dtype=torch.uint8))
    query = keys[2:3] + 0.01
    weights, distances = memory.attend(query)[0], (keys - query).square().sum((1, 2))
    assert weights.argsort().tolist() == distances.argsort(descending=True).tolist()
    assert weights.sum() == pytest.approx(1, abs=1e-6)


@torch.inference_mode()
def test_distance_is_the_inner_product_of_eq_2_with_the_keys_length_taken_off():
    memory = ExplicitMemory(4, 69, 4, "distance")
    memory.fill(torch.randn(4, 69, 3), torch.zeros(4, 3, 4, 4, dtype=torch.uint8))
    query, keys = torch.randn(1, 207), memory.keys.flatten(1)
    scaled, stored = query / memory.spacing, keys / memory.spacing
    printed = (scaled @ stored.T - stored.square().sum(1) / 2).softmax(1)
    torch.testing.assert_close(memory.attend(query.view(1, 69, 3)), printed, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_slots_that_are_left_out_are_not_read():
    memory = renderer().memory
    left_out = torch.tensor([[True, False, True, True, True, False]])
    weights = memory.attend(memory.keys[:1], left_out)[0]
    assert weights[left_out[0]].eq(0).all() and weights.sum() == pytest.approx(1, abs=1e-6)


@torch.inference_mode()
def test_reading_one_slot_gives_its_patch():
    memory = renderer().memory
    read = memory.read(torch.eye(6)[3:4])
    torch.testing.assert_close(read[0], memory.patches[3] / 255)


def test_gradients_reach_the_literal_projections():
    network = renderer(similarity="inner").train()
    network(*inputs()).sum().backward()
    assert network.memory.query.weight.grad.abs().max() > 0 and network.memory.key.weight.grad.abs().max() > 0


@torch.inference_mode()
def test_no_answer_depends_on_its_batch():
    network, given = renderer(), inputs(3)
    alone = network(*(each[1:2] for each in given))
    torch.testing.assert_close(network(*given)[1:2], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("bad", "why"),
    [({"memory": "large"}, "memory is"), ({"similarity": "cosine"}, "similarity is"), ({"widths": [8] * 7}, "halved")],
)
def test_a_wrong_configuration_is_an_error(bad, why):
    with pytest.raises(ValueError, match=why):
        Renderer({"widths": [8, 8], "view": VIEW, "memory": "explicit", "slots": 2} | bad)


@pytest.mark.parametrize("width", [None, 16.0])
def test_a_patch_is_laid_where_it_was_cut(width):
    framing, pose = Framing(80, width, 40, 9.0), turned()
    columns, rows = np.meshgrid(np.arange(80.0), np.arange(80.0))
    frame = np.stack([columns, rows, columns + rows], -1).astype(np.float32)
    patch = view.cut(frame, framing.patch_window(pose), 40)
    seen = view.cut(frame, framing.window(pose, 80), 80)
    back = laid(
        torch.from_numpy(patch.transpose(2, 0, 1))[None], torch.from_numpy(framing.placement(pose, 80))[None], 80
    )[0].numpy()
    there = (back[3] > 0.999) & (seen > 1).all(-1)
    assert there.sum() > 200
    assert np.abs(back[:3, there] - seen.transpose(2, 0, 1)[:, there]).max() < 1.5


def test_maps_undo_one_another_and_points_follow_pixels():
    matrix = Framing(64, 16.0).window(turned(), 96)
    np.testing.assert_allclose(view.chained(matrix, view.inverted(matrix)), np.eye(2, 3), atol=1e-9)
    point = np.array([[30.0, 50.0, 3.0]])
    seen = view.through(matrix, point)
    np.testing.assert_allclose(matrix[:, :2] @ seen[0, :2] + matrix[:, 2], point[0, :2])
    assert seen[0, 2] / point[0, 2] == pytest.approx(1 / np.hypot(*matrix[:, 0]))


def test_the_mask_covers_the_mouth_however_it_opens_and_does_not_tell_how():
    head, pose = canonical()[0], turned(0)
    shut = mask(pose, head, pose.apply(head))
    opened = head.copy()
    lower = mouth()[head[mouth(), 1] > head[mouth(), 1].mean()]
    opened[lower, 1] += 1.5
    wide = mask(pose, head, pose.apply(opened))
    assert np.array_equal(shut, wide)
    for x, y in pose.apply(opened)[lower, :2]:
        assert wide[round(y), round(x)] == 255
    huge = pose.apply(head + (0, 9, 0))
    assert mask(pose, head, huge)[round(huge[17, 1]), round(huge[17, 0])] == 255


def test_pasting_replaces_all_that_is_masked_and_nothing_far_away():
    head, pose = canonical()[0], turned()
    masked = mask(pose, head, pose.apply(head))
    frame, rendered = np.zeros((96, 96, 3), np.float32), np.ones((64, 64, 3), np.float32)
    out = view.paste(frame, rendered, Framing(64, 16.0).window(pose, 96), masked)
    assert out[masked > 0].min() == 1
    near = np.pad(masked, 8)[8:-8, 8:-8] > 0
    rows, columns = np.nonzero(near)
    assert out[: rows.min() - 8].max() == 0 and out[:, : columns.min() - 8].max() == 0
