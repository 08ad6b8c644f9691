"""`python -m bench train`: train what is measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def train(
    model: Annotated[str | None, typer.Option(help="A network or variant of `list models`.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of this training: state, logs and checkpoint.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="TOML or YAML file with settings (docs/training.md); options go first."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder of clips (CLIP/FRAME.png or CLIP.mp4), or `sample`, which is the default."),
    ] = None,
    exclude_pairs: Annotated[
        list[str] | None,
        typer.Option(help="Pair list (file or frozen:NAME) whose clips are left out of the training; repeatable."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="published or reduced network; default: reduced on the sample set alone.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="published: the papers' losses and schedule; short: default on the sample set.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Total optimizer steps; default: 2000, or the published epochs.")
    ] = None,
    frame_size: Annotated[
        int | None, typer.Option(help="Side of the frames that the network is for; default: 256.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: 0.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Default: 0.001, as published 0.0002.")] = None,
    init_from: Annotated[
        Path | None, typer.Option(help="Checkpoint to start from; networks that fit are taken.")
    ] = None,
    adapt: Annotated[
        str | None,
        typer.Option(help="MemFace: clip of a new speaker that --init-from is adapted to, in place of --data."),
    ] = None,
    speech: Annotated[
        str | None, typer.Option(help="MemFace: hama, log-mel, or .npy features; default: log-mel.")
    ] = None,
    basis: Annotated[
        str | None, typer.Option(help="MemFace: facemesh, arkit, or an .npz file; default: facemesh.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="avd: MRAA's or TPSM's AVD network alone, on the networks of --init-from.")
    ] = None,
    poses: Annotated[
        Path | None, typer.Option(help="Head poses of the frames, made by `poses`: face-vid2vid's head pose loss.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU if there is one.")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes that train together (DDP); default: 1.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads on a CPU; part of what makes a result.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded frames, for data larger than memory.")] = None,
    tensorboard: Annotated[
        bool | None, typer.Option("--tensorboard/--no-tensorboard", help="Scalars and pictures in OUT/tensorboard.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol of the evaluations during training.")] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Steps between evaluations; default: none.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after N evaluations without improvement; default: never.")
    ] = None,
) -> None:
    """Train a network: reduced on the sample set, as published on custom clips. Re-run the same command to resume."""
    from bench.training.command import train

    given = {name: value for name, value in locals().items() if name not in ("config", "train") and value is not None}
    checkpoint = train(config, given)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        terminal().print(f"checkpoint: {checkpoint}", soft_wrap=True, markup=False)
