"""MuseTalk as a model: cmd:python docs/recipes/musetalk.py --repo DIR --python PYTHON {clip} {out}."""

import json

from recipe import below, call, clip_arguments, deliver, only, read

WEIGHTS = {
    "v15": ("models/musetalkV15/unet.pth", "models/musetalkV15/musetalk.json"),
    "v1": ("models/musetalk/pytorch_model.bin", "models/musetalk/musetalk.json"),
}


def main() -> None:
    """Make one clip."""
    arguments = clip_arguments(__doc__)
    arguments.add_argument("--version", choices=sorted(WEIGHTS), default="v15")
    options = arguments.parse_args()
    clip = read(options.clip)
    whole = abs(clip.rate - round(clip.rate)) < 0.001
    template = clip.template_frames if whole else clip.template  # of a folder it takes whole rates, and is exact
    config = clip.work / "task.yaml"
    lines = ["task_0:", f"  video_path: {json.dumps(str(template))}", f"  audio_path: {json.dumps(str(clip.sound))}"]
    config.write_text("\n".join([*lines, ""]), encoding="utf-8")
    weights, network = WEIGHTS[options.version]
    flags = {"--inference_config": config, "--result_dir": clip.work / "results", "--version": options.version}
    flags |= {"--unet_model_path": weights, "--unet_config": network, "--fps": round(clip.rate)}
    call(options, ["-m", "scripts.inference"], flags)
    video = only(below(clip.work / "results"), clip.work / "results")
    deliver(video, clip, options.out, rate=clip.rate, size=(clip.width, clip.height), slack=2)


if __name__ == "__main__":
    main()
