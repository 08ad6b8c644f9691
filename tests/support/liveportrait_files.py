"""LivePortrait's files in the layout that its authors publish, of a reduced network with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from baselines.card import card
from support.small_networks import small

CARD = card("liveportrait")


def official_folder(folder: Path) -> tuple[dict[str, Any], nn.Module]:
    """Write ``folder/base_models`` and ``folder/retargeting_models``; returns what is in them.

    The configuration lies beside the first file, since the networks are small.
    """
    config, network = small("liveportrait")
    states = {name: part.state_dict() for name, part in network.named_children()}
    contents: dict[str, Any] = {CARD.files[0]: states[CARD.bare or ""]}
    for file, networks in CARD.beside.items():
        contents[file] = states[networks[0]] if len(networks) == 1 else {}
        for name in networks if len(networks) > 1 else ():
            contents[file][name] = {f"module.{key}": value for key, value in states[name].items()}
    contents["retargeting_models/stitching_retargeting_module.pth"] |= {"optimizer": {"state": {}}, "epoch": 7}
    for file, content in contents.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, folder / file)
    (folder / f"{CARD.files[0]}.json").write_text(json.dumps(config))
    return config, network
