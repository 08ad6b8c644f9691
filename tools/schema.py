"""Write the JSON schemas of the files that runs, comparisons, studies and drift checks write.

python tools/schema.py    # docs/schema/*.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.drift.reference import Record
from reports.schema.comparison import COMPARISON
from reports.schema.frames import FRAMES
from reports.schema.manifest import MANIFEST
from reports.schema.players import PLAYERS
from reports.schema.study import EXPORT, STUDY
from reports.schema.study_score import STUDY_SCORE
from reports.schema.summary import SUMMARY

FOLDER = Path(__file__).parents[1] / "docs" / "schema"
MODELS: dict[str, TypeAdapter[Any]] = {
    "manifest": MANIFEST,
    "summary": SUMMARY,
    "comparison": COMPARISON,
    "frames": FRAMES,
    "players": PLAYERS,
    "study": STUDY,
    "study-export": EXPORT,
    "study-score": STUDY_SCORE,
    "drift-reference": TypeAdapter(Record),
}


def text(name: str) -> str:
    """Return the schema of a file by its name in `MODELS`, as JSON (draft 2020-12)."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[name].json_schema(by_alias=True)}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        file = FOLDER / f"{name}.json"
        file.write_text(text(name), encoding="utf-8")
        print(file)


if __name__ == "__main__":
    main()
