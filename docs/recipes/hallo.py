"""Hallo as a model: cmd:python docs/recipes/hallo.py --repo DIR --python PYTHON {clip} {out}."""

from recipe import call, clip_arguments, deliver, read


def main() -> None:
    """Make one clip."""
    options = clip_arguments(__doc__).parse_args()
    clip = read(options.clip)
    video = clip.work / "video.mp4"
    flags = {"--source_image": clip.source, "--driving_audio": clip.sound, "--output": video}
    call(options, ["scripts/inference.py"], flags)
    deliver(video, clip, options.out, rate=25, size=(512, 512), slack=1)


if __name__ == "__main__":
    main()
