"""Log a run to MLflow. MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME set the place."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from bench.trackers.record import Record

EXPERIMENT = "talking-head-bench"
LONGEST = 6000  # characters of a parameter
METRICS, PARAMETERS = 1000, 100  # of a request, at most


def write(record: Record) -> str:
    """Log numbers as metrics, facts as parameters, signatures among them, and the report's files as artifacts."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    tags = {"fingerprint": str(record.config["fingerprint"]), "mlflow.note.content": record.table[:LONGEST]}
    run = client.create_run(experiment, run_name=record.name, tags=tags).info.run_id
    try:
        now = int(1000 * time.time())
        metrics = [Metric(key, value, now, 0) for key, value in _metrics(record.scalars()).items()]
        params = [Param(_key(key), _cut(value)) for key, value in record.flat().items()]
        for k in range(0, len(metrics), METRICS):
            client.log_batch(run, metrics=metrics[k : k + METRICS])
        for k in range(0, len(params), PARAMETERS):
            client.log_batch(run, params=params[k : k + PARAMETERS])
        for file in record.files:
            client.log_artifact(run, str(file))
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)
    return f"run {run} of the experiment {name}"


def _metrics(scalars: Mapping[str, float]) -> dict[str, float]:
    """Return the numbers by names that MLflow accepts. Raises ValueError if two models would share one."""
    found: dict[str, float] = {}
    for name, value in scalars.items():
        key = "/".join(_key(part) for part in name.split("/"))
        if key in found:
            raise ValueError(f"MLflow allows no + in names, and {key} is taken: run one model under another label")
        found[key] = value
    return found


def _key(name: str) -> str:
    """Return a name in the letters that MLflow accepts: ``fomm_memory`` for ``fomm+memory``."""
    return "".join(letter if letter.isascii() and letter.isalnum() or letter in "_-. " else "_" for letter in name)[
        :250
    ]


def _cut(value: str) -> str:
    """Cut a long value and mark the cut; the manifest, which is an artifact, has all of it."""
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
