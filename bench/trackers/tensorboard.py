"""Log a run to TensorBoard: event files in ``tensorboard/`` next to the run's folder, one folder per model."""

from __future__ import annotations

import json

from bench.trackers.record import Record
from protocols.names import safe_name


def write(record: Record) -> str:
    """Log numbers as scalars ``psnr/mean``; table, facts, signatures and the report's place as texts.

    TensorBoard keeps no files: the report stays in the run's folder.
    """
    from torch.utils.tensorboard import SummaryWriter

    out = record.folder.resolve().parent / "tensorboard" / record.folder.resolve().name
    for model in dict.fromkeys(row.model for row in record.rows):
        with SummaryWriter(str(out / safe_name(model))) as writer:
            for row in record.rows:
                if row.model == model:
                    for name, value in record.numbers(row).items():
                        writer.add_scalar(f"{row.metric}/{name}", value, 0)
    with SummaryWriter(str(out)) as writer:
        writer.add_text("results", record.table, 0)
        writer.add_text("facts", f"```json\n{json.dumps(record.config, ensure_ascii=False, indent=1)}\n```", 0)
        writer.add_text("signatures", "\n".join(f"- `{one}`" for one in record.signatures.values()), 0)
        writer.add_text("report", str(record.folder / "report.html"), 0)
    return str(out)
