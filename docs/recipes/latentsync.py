"""LatentSync as a model: cmd:python docs/recipes/latentsync.py --repo DIR --python PYTHON {clip} {out}."""

from recipe import SEEDS, call, clip_arguments, deliver, read


def main() -> None:
    """Make one clip."""
    arguments = clip_arguments(__doc__)
    arguments.add_argument("--config", default="configs/unet/stage2_512.yaml", help="1.5: configs/unet/stage2.yaml")
    arguments.add_argument("--checkpoint", default="checkpoints/latentsync_unet.pt")
    options = arguments.parse_args()
    clip = read(options.clip)
    video = clip.work / "video.mp4"
    flags = {"--unet_config_path": options.config, "--inference_ckpt_path": options.checkpoint}
    flags |= {"--video_path": clip.template, "--audio_path": clip.sound, "--video_out_path": video}
    flags |= {"--inference_steps": 20, "--guidance_scale": 1.5, "--seed": clip.seed % SEEDS}
    call(options, ["-m", "scripts.inference"], flags)
    size = clip.width + clip.width % 2, clip.height + clip.height % 2  # those of the template's file
    deliver(video, clip, options.out, rate=25, size=size, slack=16)  # it works on 16 frames at a time


if __name__ == "__main__":
    main()
