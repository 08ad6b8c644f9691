"""Stand-ins for official programs: their command line, and a video of the rate and size that they write.

They stand at the same places of a folder as the official scripts, take the same flags, and are run by the recipes.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

VARIABLE = "STAND_IN"  # in the environment: how the stand-in is to fail
FAILURES = ("crash", "no-file", "short", "long", "rate", "size")
SCRIPTS = {
    "sadtalker": "inference.py",
    "hallo": "scripts/inference.py",
    "echomimic": "infer_audio2vid.py",
    "aniportrait": "scripts/audio2vid.py",
    "musetalk": "scripts/inference.py",
    "latentsync": "scripts/inference.py",
    "x_portrait": "core/test_xportrait.py",
}
CONFIG = """pretrained_base_model_path: './pretrained_model/stable-diffusion-v1-5'
# what to animate
test_cases:
  "./assets/a.png":
    - "./assets/a.wav"
    - "./assets/b.wav"
weight_dtype: 'fp16'
"""
NO_FACE = "no face in the driving video"


def install(name: str, root: Path) -> Path:
    """Make a folder like the official one of a recipe; returns it."""
    script = root / SCRIPTS[name]
    script.parent.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).resolve().parents[1]
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(here)!r})\nfrom support.stand_ins import {name}\n{name}()\n"
    )
    for file in ("animation.yaml", "animation_audio.yaml"):
        (root / "configs" / "prompts").mkdir(parents=True, exist_ok=True)
        (root / "configs" / "prompts" / file).write_text(CONFIG)
    return root


def seconds(sound: str) -> float:
    """The length of a sound file."""
    with av.open(sound) as container:
        stream = container.streams.audio[0]
        return sum(frame.samples for frame in container.decode(stream)) / stream.rate


def picture_size(file: str) -> tuple[int, int]:
    """(width, height) of a picture or video."""
    with av.open(file) as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


def film(file: Path, rate: float, size: tuple[int, int], count: int) -> None:
    """Write frames that become brighter; as `VARIABLE` says in another number, rate or size, or none at all."""
    wrong = os.environ.get(VARIABLE, "")
    if wrong == "crash":
        print("working on it", file=sys.stderr)
        raise SystemExit("CUDA out of memory")
    if wrong == "wait":
        time.sleep(60)
    if wrong == "no-file":
        return
    count = {"short": count // 2, "long": count * 2}.get(wrong, count)
    rate, size = 2 * rate if wrong == "rate" else rate, (3 * size[0], size[1]) if wrong == "size" else size
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as output:
        stream = output.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options={"crf": "1"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            image = np.full((size[1], size[0], 3), 40 + 4 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())


def flags(
    required: Sequence[str] = (), switches: Sequence[str] = (), **optional: Callable[[str], object]
) -> argparse.Namespace:
    """Parse exactly these; an abbreviation or another one ends the program, as does one that is missing."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in required:
        parser.add_argument(name, required=True)
    for name in switches:
        parser.add_argument(name, action="store_true")
    for name, kind in optional.items():
        parser.add_argument(("-" if len(name) == 1 else "--") + name, type=kind)
    return parser.parse_args()


def cases(config: str) -> tuple[str, str]:
    """The picture and the sound of a configuration that names one of each."""
    import yaml

    read = yaml.safe_load(Path(config).read_text())
    assert read["weight_dtype"] == "fp16" and read["pretrained_base_model_path"]  # the rest is as it was
    ((picture, (sound,)),) = read["test_cases"].items()
    return picture, sound


def sadtalker() -> None:
    """OpenTalker/SadTalker, inference.py"""
    given = flags(
        (),
        ("--cpu", "--face3dvis", "--still", "--verbose", "--old_version"),
        driven_audio=str,
        source_image=str,
        ref_eyeblink=str,
        ref_pose=str,
        checkpoint_dir=str,
        result_dir=str,
        pose_style=int,
        batch_size=int,
        size=int,
        expression_scale=float,
        enhancer=str,
        background_enhancer=str,
        preprocess=str,
    )
    size = picture_size(given.source_image) if given.preprocess == "full" else (given.size, given.size)
    file = Path(given.result_dir) / f"{time.strftime('%Y_%m_%d_%H.%M.%S')}.mp4"
    film(file, 25, size, int(seconds(given.driven_audio) * 25))


def hallo() -> None:
    """fudan-generative-vision/hallo, scripts/inference.py"""
    numbers = dict.fromkeys(("pose_weight", "face_weight", "lip_weight", "face_expand_ratio"), float)
    given = flags(config=str, source_image=str, driving_audio=str, output=str, checkpoint=str, **numbers)
    assert picture_size(given.source_image)
    film(Path(given.output), 25, (512, 512), -int(-seconds(given.driving_audio) * 25 // 1))


def echomimic() -> None:
    """antgroup/echomimic, infer_audio2vid.py"""
    ratios = dict.fromkeys(("facemusk_dilation_ratio", "facecrop_dilation_ratio", "cfg"), float)
    counts = dict.fromkeys(("W", "H", "L", "seed", "context_frames", "context_overlap", "steps", "sample_rate"), int)
    given = flags(config=str, device=str, fps=int, **ratios, **counts)
    picture, sound = cases(given.config)
    stem = Path("output") / "20240708" / f"1200--seed_{given.seed}-{given.W}x{given.H}" / Path(picture).stem
    count = min(given.L, int(seconds(sound) * given.fps))
    for ending in ("", "_withaudio"):
        film(stem.with_name(f"{stem.name}{ending}.mp4"), given.fps, (given.W, given.H), count)


def aniportrait() -> None:
    """Zejun-Yang/AniPortrait, scripts/audio2vid.py"""
    counts = dict.fromkeys(("W", "H", "L", "seed", "steps", "fps", "fi_step"), int)
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name, kind in {**counts, "config": str, "cfg": float}.items():
        parser.add_argument(("-" if len(name) == 1 else "--") + name, type=kind)
    parser.add_argument("-acc", "--accelerate", action="store_true")
    given = parser.parse_args()
    picture, sound = cases(given.config)
    folder = Path("output") / "20240326" / f"1200--seed_{given.seed}-{given.W}x{given.H}"
    film(folder / f"{Path(picture).stem}.mp4", given.fps, (given.W, given.H), round(seconds(sound) * given.fps))


def musetalk() -> None:
    """TMElyralab/MuseTalk, scripts/inference.py"""
    import yaml

    texts = dict.fromkeys(("ffmpeg_path", "vae_type", "unet_config", "unet_model_path", "whisper_dir"), str)
    more = dict.fromkeys(("inference_config", "result_dir", "output_vid_name", "parsing_mode", "version"), str)
    counts = dict.fromkeys(("gpu_id", "bbox_shift", "extra_margin", "fps", "batch_size"), int)
    given = flags((), ("--use_saved_coord", "--saved_coord", "--use_float16"), **texts, **more, **counts)
    assert given.version in ("v1", "v15") and ("V15" in given.unet_model_path) == (given.version == "v15")
    task = yaml.safe_load(Path(given.inference_config).read_text())["task_0"]
    template = Path(task["video_path"])
    if template.is_dir():
        files = sorted(template.glob("*.[jpJP][pnPN]*[gG]"), key=lambda file: int(file.stem))
        rate, first = float(given.fps), str(files[0])
    else:
        with av.open(str(template)) as container:
            rate, first = float(container.streams.video[0].average_rate), str(template)
    file = Path(given.result_dir) / given.version / f"{template.stem}_{Path(task['audio_path']).stem}.mp4"
    film(file, rate, picture_size(first), round(seconds(task["audio_path"]) * rate))


def latentsync() -> None:
    """bytedance/LatentSync, scripts/inference.py"""
    required = ("--inference_ckpt_path", "--video_path", "--audio_path", "--video_out_path")
    more = {"unet_config_path": str, "inference_steps": int, "guidance_scale": float, "temp_dir": str, "seed": int}
    given = flags(required, ("--enable_deepcache",), **more)
    film(Path(given.video_out_path), 25, picture_size(given.video_path), int(seconds(given.audio_path) * 25))


def x_portrait() -> None:
    """bytedance/X-Portrait, core/test_xportrait.py"""
    texts = dict.fromkeys(("model_config", "output_dir", "resume_dir", "source_image", "driving_video"), str)
    counts = dict.fromkeys(("seed", "uc_scale", "best_frame", "out_frames", "num_mix", "ddim_steps", "skip"), int)
    given = flags(**texts, **counts)
    assert picture_size(given.source_image) and given.out_frames == -1
    if re.search("broken", given.driving_video):
        raise SystemExit(NO_FACE)
    with av.open(given.driving_video) as container:
        rate = float(container.streams.video[0].average_rate)
        count = sum(1 for _ in container.decode(video=0))
    film(Path(given.output_dir) / "result.mp4", rate, (512, 512), count)
