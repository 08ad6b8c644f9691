"""Log a run to Weights & Biases. WANDB_MODE, WANDB_PROJECT and WANDB_DIR set the place."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from bench.trackers.record import NUMBERS, Record

PROJECT = "talking-head-bench"


def write(record: Record) -> str:
    """Log numbers as the summary, rows as a table, facts as the configuration, the report's files as an artifact."""
    import wandb

    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_machine_info=True)
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or PROJECT,
        name=record.name,
        job_type="evaluation",
        config=record.config,
        notes="\n".join(record.caveats) or None,
        settings=settings,
    )
    try:
        run.summary.update(record.scalars())
        columns: list[str | int] = ["model", "metric", *NUMBERS, "signature"]
        rows: list[Iterable[Any]] = [
            [row.model, row.metric, *(getattr(row, name) for name in NUMBERS), record.signatures.get(row.metric)]
            for row in record.rows
        ]
        run.log({"results": wandb.Table(columns=columns, data=rows)})
        artifact = wandb.Artifact(f"report-{run.id}", type="report")
        for file in record.files:
            artifact.add_file(str(file), name=file.name)
        run.log_artifact(artifact)
        where = run.url or run.settings.sync_dir
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()
    wandb.teardown()  # waits until its process has written everything
    return str(where)
