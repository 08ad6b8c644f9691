"""README's two command lines are the ones that are run."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def command_lines() -> list[str]:
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```sh\n")[1:3]
    return [block.split("\n```")[0] for block in blocks]


def test_ci_runs_the_test_line():
    _, test_line = command_lines()
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == test_line


def test_first_line_is_the_main_job():
    first, _ = command_lines()
    assert first.endswith("&& python -m bench run --models mcnet,tpsm --protocol vox1-diffscale")
