"""AniPortrait by sound as a model: cmd:python docs/recipes/aniportrait.py --repo DIR --python PYTHON {clip} {out}."""

from pathlib import Path

from recipe import SEEDS, below, call, clip_arguments, deliver, only, read, with_cases

CONFIG = Path("configs/prompts/animation_audio.yaml")
RATE, SIDE = 30, 512  # of its own defaults


def main() -> None:
    """Make one clip."""
    options = clip_arguments(__doc__).parse_args()
    clip = read(options.clip)
    config = with_cases(options.repo / CONFIG, {str(clip.source): str(clip.sound)}, clip.work / "config.yaml")
    results = options.repo / "output"  # it takes no other folder
    before = below(results)
    flags = {"--config": config, "-W": SIDE, "-H": SIDE, "--seed": clip.seed % SEEDS, "--fps": RATE, "-acc": True}
    call(options, ["-m", "scripts.audio2vid"], flags)
    made = {file for file in below(results) - before if not file.stem.endswith("_noaudio")}
    deliver(only(made, results), clip, options.out, rate=RATE, size=(SIDE, SIDE), slack=2)


if __name__ == "__main__":
    main()
