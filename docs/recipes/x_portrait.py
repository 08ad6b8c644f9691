"""X-Portrait for whole folders: python docs/recipes/x_portrait.py --repo DIR --python PYTHON --driving DIR OUT.

Then run --models x-portrait=videos:OUT, or score. One video a driving video, of the same name.
"""

import argparse
import csv
import shutil
import tempfile
from pathlib import Path

import av
from recipe import VIDEOS, Failed, below, call, check, only, parser


def main() -> None:
    """Make every clip that is not there yet; what fails is written to ``failed.csv``."""
    arguments = parser(__doc__)
    arguments.add_argument("--driving", type=Path, required=True, help="folder of driving videos, square")
    arguments.add_argument("--sources", type=Path, help="folder of pictures called as them; default: first frames")
    arguments.add_argument("--config", default="config/cldm_v15_appearance_pose_local_mm.yaml")
    arguments.add_argument("--checkpoint", default="checkpoint/model_state-415001.th")
    arguments.add_argument("--seed", type=int, default=999)
    arguments.add_argument("out", type=Path)
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    driving = sorted(file for file in options.driving.iterdir() if file.suffix.lower() in VIDEOS)
    if not driving:
        raise SystemExit(f"{options.driving}: no videos in it")
    failed = {}
    for file in driving:
        result = options.out / f"{file.stem}.mp4"
        if not result.exists():
            try:
                make(options, file, result)
            except Failed as error:
                failed[file.stem] = str(error)
                print(f"{file.name}: {error}")
    with (options.out / "failed.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("clip", "reason"), *failed.items()])
    raise SystemExit(1 if failed else 0)


def make(options: argparse.Namespace, driving: Path, result: Path) -> None:
    """One clip. Raises Failed."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        source = source_of(options.sources, driving, work)
        with av.open(str(driving)) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0)
            count = sum(packet.size > 0 for packet in container.demux(stream))
        flags = {"--model_config": options.config, "--output_dir": work / "out", "--resume_dir": options.checkpoint}
        flags |= {"--seed": options.seed, "--uc_scale": 5, "--source_image": source, "--best_frame": 0}
        flags |= {"--driving_video": driving.resolve(), "--out_frames": -1, "--num_mix": 4, "--ddim_steps": 30}
        call(options, ["core/test_xportrait.py"], flags)
        video = only(below(work / "out"), work / "out")
        check(video, rate=rate, size=(512, 512), frames=count, slack=0)  # frame for frame, else nobody knows which
        shutil.copyfile(video, result)


def source_of(sources: Path | None, driving: Path, work: Path) -> Path:
    """The picture to animate. Raises Failed."""
    if sources is not None:
        found = [file for file in sorted(sources.iterdir()) if file.stem == driving.stem]
        if len(found) != 1:
            raise Failed(f"{len(found)} pictures called {driving.stem} in {sources}, not one")
        return found[0].resolve()
    with av.open(str(driving)) as container:
        next(container.decode(video=0)).to_image().save(work / "source.png")
    return work / "source.png"


if __name__ == "__main__":
    main()
