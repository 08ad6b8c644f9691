"""Reduced networks with random weights, and files of them in the forms that the authors publish."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.card import merged
from baselines.dagan.network import DaGAN
from baselines.fomm.network import FOMM
from baselines.fv2v.network import FaceVid2Vid
from baselines.lia.network import LIA
from baselines.liveportrait.network import LivePortrait
from baselines.mcnet.attached import MemoryFOMM, MemoryTPSM
from baselines.mcnet.memory import StyleConv
from baselines.mcnet.network import MCNet
from baselines.mraa.network import MRAA
from baselines.ostnet.network import OSTNet, ScaleDaGAN
from baselines.predictor import PairBatch
from baselines.tpsm.network import TPSM
from baselines.x2face.network import X2Face

HOURGLASS = {"block_expansion": 4, "max_features": 16, "num_blocks": 3, "scale_factor": 0.25}
FIRST_ORDER = {
    "common_params": {"num_kp": 5, "num_channels": 3, "estimate_jacobian": True},
    "kp_detector_params": {"temperature": 0.1, **HOURGLASS},
}
GENERATOR = {"block_expansion": 8, "max_features": 16, "dense_motion_params": HOURGLASS}
CONFIGS: dict[str, dict[str, Any]] = {
    "fomm": {**FIRST_ORDER, "generator_params": {**GENERATOR, "num_down_blocks": 2, "num_bottleneck_blocks": 1}},
    "mcnet": {
        **FIRST_ORDER,
        "generator_params": {**GENERATOR, "num_down_blocks": 3},
        "command_line": {"mb_channel": 8, "mb_spatial": 8},
    },
    "tpsm": {
        "common_params": {"num_tps": 2, "num_channels": 3, "bg": True, "multi_mask": True, "width": 4},
        "generator_params": {"block_expansion": 8, "max_features": 16, "num_down_blocks": 3},
        "dense_motion_params": HOURGLASS,
        "avd_network_params": {"id_bottle_size": 8, "pose_bottle_size": 8},
    },
    "mraa": {
        "num_regions": 4,
        "num_channels": 3,
        "bg_predictor_params": {"block_expansion": 4, "max_features": 16, "num_blocks": 3},
        "region_predictor_params": {"temperature": 0.1, **HOURGLASS},
        "generator_params": {
            "block_expansion": 8,
            "max_features": 16,
            "num_down_blocks": 2,
            "num_bottleneck_blocks": 1,
            "pixelwise_flow_predictor_params": HOURGLASS,
        },
        "avd_network_params": {"id_bottle_size": 8, "pose_bottle_size": 8},
    },
    "dagan": {
        **FIRST_ORDER,
        "generator_params": {**GENERATOR, "num_down_blocks": 2, "num_bottleneck_blocks": 1},
        "command_line": {"generator": "DepthAwareGenerator"},
        "depth_params": {"width": 4, "widths": [4, 4, 4, 8, 8]},
    },
    "fv2v": {
        "common_params": {"num_kp": 5, "image_channel": 3, "feature_channel": 4},
        "kp_detector_params": {
            "temperature": 0.1,
            "block_expansion": 4,
            "max_features": 16,
            "scale_factor": 0.25,
            "num_blocks": 3,
            "reshape_channel": 32,
            "reshape_depth": 4,
        },
        "he_estimator_params": {"block_expansion": 4, "num_bins": 66},
        "generator_params": {
            "block_expansion": 8,
            "max_features": 16,
            "num_down_blocks": 2,
            "reshape_depth": 4,
            "num_resblocks": 1,
            "dense_motion_params": {
                "block_expansion": 4,
                "max_features": 8,
                "num_blocks": 3,
                "reshape_depth": 4,
                "compress": 2,
            },
        },
        "beta_axes": False,
    },
    "x2face": {"inner_nc": 16, "embedding_nc": 16, "levels": 8, "ngf": 4, "pose": True},
    "liveportrait": {
        "appearance_feature_extractor_params": {
            "image_channel": 3,
            "block_expansion": 4,
            "num_down_blocks": 2,
            "max_features": 16,
            "reshape_channel": 4,
            "reshape_depth": 4,
            "num_resblocks": 1,
        },
        "motion_extractor_params": {
            "num_kp": 21,
            "backbone": "convnextv2_tiny",
            "depths": [1, 1, 1, 1],
            "widths": [4, 8, 8, 16],
        },
        "warping_module_params": {
            "num_kp": 21,
            "block_expansion": 4,
            "max_features": 16,
            "num_down_blocks": 2,
            "reshape_channel": 4,
            "reshape_depth": 4,
            "dense_motion_params": {
                "block_expansion": 4,
                "max_features": 8,
                "num_blocks": 3,
                "reshape_depth": 4,
                "compress": 2,
            },
        },
        "spade_generator_params": {
            "upscale": 2,
            "block_expansion": 4,
            "max_features": 16,
            "num_down_blocks": 2,
            "width": 16,
            "middle": 1,
        },
        "stitching_retargeting_module_params": {
            "stitching": {"input_size": 126, "hidden_sizes": [8], "output_size": 65},
            "lip": {"input_size": 65, "hidden_sizes": [8], "output_size": 63},
            "eye": {"input_size": 66, "hidden_sizes": [8], "output_size": 63},
        },
    },
    "lia": {"size": 256, "style_dim": 16, "motion_dim": 4, "channel_multiplier": 0.0625, "max_channels": 16},
}
SPADE = {"generator_params": {"spade_width": 16}}
CONFIGS["dagan-spade"] = merged(CONFIGS["dagan"], SPADE | {"command_line": {"generator": "SPADEDepthAwareGenerator"}})
CONFIGS["fv2v-spade"] = merged(CONFIGS["fv2v"], {"generator_params": {"spade_width": 16, "spade": True}})
CLASSES = {
    "fomm": FOMM,
    "mcnet": MCNet,
    "tpsm": TPSM,
    "mraa": MRAA,
    "x2face": X2Face,
    "lia": LIA,
    "liveportrait": LivePortrait,
}
CLASSES |= {"dagan": DaGAN, "dagan-spade": DaGAN, "fv2v": FaceVid2Vid, "fv2v-spade": FaceVid2Vid}
# Those that somebody publishes a checkpoint of, in one file but for what lies beside it.
OFFICIAL = tuple(name for name in CONFIGS if name != "liveportrait")
SCALE = {"scale_params": {"code": 8, "hidden": 8}}
MEMORY = {"memory_params": {"mb_channel": 8, "mb_spatial": 8}}
CONFIGS["ostnet"] = {
    **FIRST_ORDER,
    "generator_params": {
        **GENERATOR,
        "num_down_blocks": 3,
        "num_bottleneck_blocks": 0,
        "final_kernel": 1,
        "dense_motion_params": {**HOURGLASS, "estimate_occlusion": False},
    },
    **SCALE,
}
CONFIGS["fomm+scale"] = CONFIGS["fomm"] | SCALE
CONFIGS["dagan+scale"] = CONFIGS["dagan"] | SCALE
CONFIGS["fomm+memory"] = CONFIGS["fomm"] | MEMORY
CONFIGS["tpsm+memory"] = CONFIGS["tpsm"] | MEMORY
CONFIGS["mcnet-paper"] = merged(CONFIGS["mcnet"], {"command_line": {"reading": "paper"}})
CLASSES |= {"ostnet": OSTNet, "fomm+scale": OSTNet, "dagan+scale": ScaleDaGAN}
CLASSES |= {"fomm+memory": MemoryFOMM, "tpsm+memory": MemoryTPSM, "mcnet-paper": MCNet}
ALL = tuple(CONFIGS)
FIRST_ORDER_MODELS = tuple(name for name in ALL if "kp_detector_params" in CONFIGS[name] and "fv2v" not in name)


def small(model: str) -> tuple[dict[str, Any], nn.Module]:
    """Configuration and network; batch norm has seen images, so that the keypoints follow the image.

    Copies of what is made once a process. The generator of torch is left as making it leaves it.
    """
    config, network, state = _made(model)
    torch.set_rng_state(state)
    return copy.deepcopy(config), copy.deepcopy(network)


@cache
def _made(model: str) -> tuple[dict[str, Any], nn.Module, Tensor]:
    torch.manual_seed(3)
    config = copy.deepcopy(CONFIGS[model])
    network = CLASSES[model](config)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        network.train()
        _see(model, network)
        _sharpen(model, network)
    if model in ("fomm", "fomm+memory", "fomm+scale", "ostnet"):
        network.generator.final.weight.data.mul_(20)  # contrast
    for module in network.modules():
        if isinstance(module, StyleConv):
            module.weight.data.fill_(0.8)  # noise has an effect
    return config, network.eval(), torch.get_rng_state()


def _sharpen(model: str, network: nn.Module) -> None:
    """Peaks, so that keypoints are spread; jacobians that follow the image."""
    if model in FIRST_ORDER_MODELS:
        network.kp_detector.kp.weight.mul_(8)
        network.kp_detector.jacobian.weight.normal_(0, 0.02)
    elif model == "mraa":
        network.region_predictor.regions.weight.mul_(1.5)
    elif model.startswith("fv2v"):
        network.kp_detector.kp.weight.mul_(5)
        for head in ("fc_yaw", "fc_pitch", "fc_roll"):
            getattr(network.he_estimator, head).weight.mul_(2)
        for head in ("fc_t", "fc_exp"):
            getattr(network.he_estimator, head).weight.mul_(0.3)
    elif model == "liveportrait":
        _spread_faces(network)
    elif model == "x2face":
        network.model.pix2pixUnwrapped.netG.model.up[2].weight.mul_(0.2)


def _spread_faces(network: nn.Module) -> None:
    """Keypoints within the frame, motion that follows the image; stored u and v that make a sigma near 1."""
    heads = network.motion_extractor.detector
    heads.fc_kp.bias.uniform_(-0.6, 0.6)
    heads.fc_scale.weight.mul_(0.1)
    heads.fc_scale.bias.fill_(1.0)
    for head, factor in ((heads.fc_t, 0.2), (heads.fc_exp, 0.5), (heads.fc_yaw, 8.0), (heads.fc_pitch, 8.0)):
        head.weight.mul_(factor)
    network.warping_module.dense_motion_network.mask.weight.mul_(4)
    for module in network.modules():
        if hasattr(module, "weight_u"):
            u, s, v = torch.linalg.svd(module.weight_orig.flatten(1), full_matrices=False)
            module.weight_u.copy_(u[:, 0])
            module.weight_v.copy_(v[0])


def _see(model: str, network: nn.Module) -> None:
    pairs = batch(4)
    if model == "lia":
        return  # no norm
    if model == "x2face":
        network.generate(pairs.source, pairs.driving)
    elif model == "liveportrait":
        points = [network.motion(x).points() for x in (pairs.source, pairs.driving)]
        network.generate(network.encode(pairs.source), *points)
    elif model.startswith("fv2v"):
        points = [
            network.place(network.canonical(pairs.source), network.pose(x)) for x in (pairs.source, pairs.driving)
        ]
        network.generate(pairs.source, *points)
    elif model in ("mraa", "dagan", "dagan-spade"):
        points = [network.detect(x) for x in (pairs.source, pairs.driving)]
        network.generate(pairs.source, *points)
    else:
        network.detect(pairs.source)


def official_content(network: nn.Module, prefix: str = "module.") -> dict[str, Any]:
    """What the authors' training code saves: networks, a discriminator, an optimizer, the epoch."""
    states = {name: {prefix + k: v for k, v in part.state_dict().items()} for name, part in network.named_children()}
    optimizer = torch.optim.Adam(list(network.parameters())[:2], 1e-3)
    discriminator = nn.Sequential(nn.Conv2d(3, 4, 3))
    extra = {"discriminator": discriminator.state_dict(), "optimizer_generator": optimizer.state_dict(), "epoch": 99}
    return states | extra


def batch(n: int, size: int = 256) -> PairBatch:
    """Smooth random images, with anchors and seeds."""
    generator = torch.Generator().manual_seed(11)

    def images() -> Tensor:
        coarse = torch.rand(n, 3, 6, 6, generator=generator)
        return nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)

    ids = tuple(f"p{i}" for i in range(n))
    return PairBatch(ids, images(), images(), images(), images(), tuple(range(100, 100 + n)))


def part(whole: PairBatch, *indices: int) -> PairBatch:
    """Some pairs of a batch, in the order given."""
    at = list(indices)
    return PairBatch(
        tuple(whole.ids[i] for i in at),
        whole.source[at],
        whole.driving[at],
        None if whole.target is None else whole.target[at],
        None if whole.anchor is None else whole.anchor[at],
        tuple(whole.seeds[i] for i in at),
    )


def place(folder: Path, model: str, content: Any, config: dict[str, Any] | None, **options: Any) -> Path:
    """Save as an official file in ``<folder>/<model>/``, with the configuration beside it."""
    file = folder / model / "some.pth.tar"
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file, **options)
    if config is not None:
        file.with_name(file.name + ".json").write_text(json.dumps(config))
    return file
