"""`python -m bench train`: train a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def train(
    model: Annotated[str | None, typer.Option(help="A network, or a variant of one, from `list models`.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the training's state, logs and checkpoint.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="TOML or YAML file with settings (docs/training.md); options override it."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder of clips (CLIP/FRAME.png or CLIP.mp4), or `sample` (default)."),
    ] = None,
    exclude_pairs: Annotated[
        list[str] | None,
        typer.Option(help="Pair list (file or frozen:NAME) whose clips are excluded from training (repeatable)."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Network size: published or reduced; default: reduced on the sample set."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="published (the papers' losses and schedule) or short (default on the sample set)."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Total optimizer steps; default: 2000 (short), or the published number of epochs."),
    ] = None,
    frame_size: Annotated[int | None, typer.Option(help="Frame size of the network in pixels; default: 256.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default: 0.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate; default: 0.001 (short), 0.0002 (published).")
    ] = None,
    init_from: Annotated[
        Path | None, typer.Option(help="Checkpoint to start from; all networks in it that fit are loaded.")
    ] = None,
    adapt: Annotated[
        str | None,
        typer.Option(help="MemFace: clip of a new speaker to which --init-from is adapted, instead of --data."),
    ] = None,
    speech: Annotated[
        str | None, typer.Option(help="MemFace: speech features: hama, log-mel or .npy files; default: log-mel.")
    ] = None,
    basis: Annotated[
        str | None, typer.Option(help="MemFace: basis of faces: facemesh, arkit or an .npz file; default: facemesh.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Only `avd`: train only the AVD network of MRAA or TPSM, on top of --init-from.")
    ] = None,
    poses: Annotated[
        Path | None, typer.Option(help="Head poses of the frames, from `poses`, for face-vid2vid's head pose loss.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: a GPU if there is one.")] = None,
    devices: Annotated[int | None, typer.Option(help="Number of training processes (DDP); default: 1.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; the result depends on them.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded frames, if the data does not fit into memory.")
    ] = None,
    tensorboard: Annotated[
        bool | None,
        typer.Option("--tensorboard/--no-tensorboard", help="Write scalars and pictures to OUT/tensorboard."),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Evaluation protocol during training.")] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Steps between evaluations; default: none.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after N evaluations without improvement; default: never.")
    ] = None,
) -> None:
    """Train a network: reduced on the sample set, full size on custom clips. Re-run the same command to resume."""
    from bench.training.command import train

    given = {name: value for name, value in locals().items() if name not in ("config", "train") and value is not None}
    checkpoint = train(config, given)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        terminal().print(f"checkpoint: {checkpoint}", soft_wrap=True, markup=False)
