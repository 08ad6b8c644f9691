"""LIA is equal to the official network, and what it is compared with tells the usual mistakes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import golden_cases
from support.small_networks import batch, official_content, small
from torch.nn import functional as F

from baselines import registry
from baselines.lia import network
from baselines.lia.layers import FLOOR, Doubling, Fir, ModulatedConv
from baselines.lia.network import LIA, Directions

CODES = ("directions", "wa", "alpha_source", "alpha_driving", "alpha_initial")
SMALL = {"size": 32, "style_dim": 12, "motion_dim": 4, "channel_multiplier": 1, "max_channels": 8}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("modes", [(*CODES, "relative"), pytest.param((), marks=pytest.mark.slow)])
def test_equals_the_official_network(modes):
    assert golden_cases.differing(*golden_cases.filled("lia"), *modes) == []


def test_aligned_sampling_is_seen(monkeypatch):
    net, case = golden_cases.filled("lia")
    plain = network.warp
    monkeypatch.setattr(network, "warp", lambda x, flow, align_corners: plain(x, flow, align_corners=True))
    different = golden_cases.differing(net, case, "self")
    assert different == ["self.0.flow_logits", "self.0.prediction"]


def test_directions_of_other_signs_are_seen(monkeypatch):
    net, case = golden_cases.filled("lia")
    plain = Directions.basis

    def positive(self: Directions) -> torch.Tensor:  # as Gram-Schmidt gives them
        return plain(self) * torch.linalg.qr(self.weight + FLOOR).R.diagonal().sign()

    monkeypatch.setattr(Directions, "basis", positive)
    different = golden_cases.differing(net, case, *CODES, "manipulate")
    assert different == ["directions", *(f"manipulate.0.{x}" for x in ("latent.value", "flow_logits", "prediction"))]


def test_parameters_and_layout_are_the_official_ones():
    with torch.device("meta"):
        net = LIA(golden_cases.golden.read(golden_cases.FOLDER / "lia").spec["config"])
    counts = [golden_cases.parameters(net, part) for part in ("gen.enc", "gen.dec")]
    assert counts == [22_696_532, 22_419_785]
    assert sum(buffer.numel() for buffer in net.buffers()) == 480


def test_directions_are_orthonormal_and_motion_is_linear_in_its_magnitudes():
    directions = Directions(12, 4)
    basis = directions.basis()
    torch.testing.assert_close(basis.T @ basis, torch.eye(4))
    magnitudes = noise(3, 4)
    torch.testing.assert_close(directions(magnitudes).norm(dim=1), magnitudes.norm(dim=1))
    torch.testing.assert_close(directions(torch.eye(4)), basis.T)


@pytest.mark.parametrize(("double", "demodulate"), [(False, True), (False, False), (True, True)])
def test_modulation_is_of_each_samples_own_kernel(double, demodulate):
    conv = ModulatedConv(5, 7, 3, 6, demodulate, double)
    x, code = noise(2, 5, 9, 9), noise(2, 6, seed=1)
    made = conv(x, code)
    for i in range(2):
        kernel = conv.weight[0] * conv.scale * conv.modulation(code[i : i + 1])[0][None, :, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + FLOOR).sqrt()
        if double:
            expected = conv.blur(F.conv_transpose2d(x[i : i + 1], kernel.transpose(0, 1), stride=2))
        else:
            expected = F.conv2d(x[i : i + 1], kernel, padding=1)
        torch.testing.assert_close(made[i : i + 1], expected, atol=1e-5, rtol=1e-5)


@settings(deadline=None)
@given(st.integers(3, 12), st.integers(3, 12), st.floats(-2, 2))
def test_low_passes_keep_what_is_even(height, width, value):
    even = torch.full((1, 2, height, width), value)
    doubled = Doubling()(even)
    assert doubled.shape == (1, 2, 2 * height, 2 * width)
    torch.testing.assert_close(doubled[..., 1:-1, 1:-1], torch.full((1, 2, 2 * height - 2, 2 * width - 2), value))
    blurred = Fir((2, 2))(even)
    assert blurred.shape == (1, 2, height + 1, width + 1)
    torch.testing.assert_close(blurred[..., 2:-2, 2:-2], even[..., 3:, 3:])


@torch.inference_mode()
def test_pairs_do_not_depend_on_each_other():
    net = LIA(SMALL).eval()
    sources, driving = noise(2, 3, 32, 32), noise(2, 3, 32, 32, seed=1)
    encoded = net.encode(sources)
    made = net.generate(encoded, net.moved(encoded, net.motion(driving))).frame
    assert made.shape == (2, 3, 32, 32) and [f.shape[-1] for f in encoded.features] == [8, 16, 32]
    for i in range(2):
        alone = net.encode(sources[i : i + 1])
        again = net.generate(alone, net.moved(alone, net.motion(driving[i : i + 1]))).frame
        torch.testing.assert_close(made[i : i + 1], again, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(made, net.generate(encoded, encoded.code).frame, atol=1e-2)


@pytest.mark.parametrize("size", [4, 0, 96, 255])
def test_a_size_that_does_not_halve_down_is_refused(size):
    with pytest.raises(ValueError, match=str(size)):
        LIA({**SMALL, "size": size})


def test_the_authors_file_is_read_by_its_shapes_alone(tmp_path):
    config, net = small("lia")
    (tmp_path / "lia").mkdir()
    torch.save(official_content(net, prefix=""), tmp_path / "lia" / "vox.pt")
    predictor = registry.load("lia", weights=tmp_path, device=torch.device("cpu"))
    assert predictor.infer_config(predictor.card, predictor.checkpoint) == config
    facts = predictor.describe()
    assert (facts["weights_file"], facts["weights_status"]) == ("vox.pt", "unverified")
    assert facts["frame_size"] == facts["trained_frame_size"] == 256 and not facts["published_size"]


def test_modes_by_hand():
    predictor = registry.load("lia?weights=untrained", weights=None, device=torch.device("cpu"))
    _, predictor.network = small("lia")
    pair, gen = batch(1), predictor.network.gen
    with torch.inference_mode():
        (code, features), *others = (gen.enc.net_app(2 * x - 1) for x in (pair.source, pair.driving, pair.anchor))
        own, driving, anchor = (gen.enc.fc(x) @ gen.dec.direction.basis().T for x in (code, others[0][0], others[1][0]))
        for mode, moved in (("absolute", code + driving), ("relative", code + own + driving - anchor)):
            expected = ((gen.dec(moved, features).frame + 1) / 2).clamp(0, 1)
            made = predictor.predict(pair, mode)
            assert (made - expected).abs().mean() < 1e-5 and made.std() > 0.01
        still = predictor.predict(replace(pair, driving=pair.anchor), "relative")
        assert (still - predictor.predict(replace(pair, driving=pair.source), "absolute")).abs().mean() < 1e-5
