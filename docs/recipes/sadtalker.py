"""SadTalker as a model: cmd:python docs/recipes/sadtalker.py --repo DIR --python PYTHON {clip} {out}."""

from recipe import call, clip_arguments, deliver, only, read


def main() -> None:
    """Make one clip."""
    arguments = clip_arguments(__doc__)
    arguments.add_argument("--size", type=int, choices=(256, 512), default=256, help="of its face model")
    options = arguments.parse_args()
    clip = read(options.clip)
    flags = {"--driven_audio": clip.sound, "--source_image": clip.source, "--result_dir": clip.work}
    # `full` puts the face back into the picture; `crop` would give the face alone, which lies over no true frame.
    call(options, ["inference.py"], flags | {"--size": options.size, "--preprocess": "full", "--still": True})
    video = only({file for file in clip.work.iterdir() if file.suffix == ".mp4"}, clip.work)
    deliver(video, clip, options.out, rate=25, size=(clip.width, clip.height), slack=2)


if __name__ == "__main__":
    main()
