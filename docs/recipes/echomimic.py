"""EchoMimic as a model: cmd:python docs/recipes/echomimic.py --repo DIR --python PYTHON {clip} {out}."""

from math import ceil
from pathlib import Path

from recipe import SEEDS, below, call, clip_arguments, deliver, only, read, with_cases

CONFIG = Path("configs/prompts/animation.yaml")
RATE, SIDE = 24, 512  # of its own defaults


def main() -> None:
    """Make one clip."""
    options = clip_arguments(__doc__).parse_args()
    clip = read(options.clip)
    config = with_cases(options.repo / CONFIG, {str(clip.source): str(clip.sound)}, clip.work / "config.yaml")
    results = options.repo / "output"  # it takes no other folder
    before = below(results)
    flags = {"--config": config, "--seed": clip.seed % SEEDS, "-W": SIDE, "-H": SIDE, "--fps": RATE}
    call(options, ["-u", "infer_audio2vid.py"], flags | {"-L": ceil(clip.seconds * RATE) + 1})  # at most so many frames
    made = {file for file in below(results) - before if file.stem.endswith("_withaudio")}
    deliver(only(made, results), clip, options.out, rate=RATE, size=(SIDE, SIDE), slack=2)


if __name__ == "__main__":
    main()
