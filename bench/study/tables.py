"""The tables of a study's database, and its two engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Float, Integer, MetaData, String, Table, create_engine, event

METADATA = MetaData()
Table("facts", METADATA, Column("name", String, primary_key=True), Column("value", String, nullable=False))
Table(
    "sittings",
    METADATA,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("consented", Float, nullable=False),
    Column("finished", Float),
    Column("facts", String, nullable=False),
)
Table(
    "starts",
    METADATA,
    Column("trial", String, primary_key=True),
    Column("slot", Integer, nullable=False),
    Column("time", Float, nullable=False),
)
Table(
    "votes",
    METADATA,
    Column("trial", String, primary_key=True),  # unique with the question: nobody votes twice
    Column("question", String, primary_key=True),
    Column("slot", Integer, nullable=False, index=True),
    Column("grade", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("time", Float, nullable=False),
)


def engines(file: Path, wait: float) -> tuple[Engine, Engine]:
    """Return engines to read and to write with; missing tables are created. wait: seconds for another process.

    Raises SQLAlchemy's errors for a file that is not a database.
    """
    readers, writers = (
        create_engine(f"sqlite:///{file}", connect_args={"timeout": wait, "isolation_level": None}, pool_size=8)
        for _ in range(2)
    )
    for engine in (readers, writers):
        event.listen(engine, "connect", _prepare)
    # Begin as a writer: a transaction that reads first and then finds another writer could only fail.
    event.listen(writers, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    METADATA.create_all(writers)
    return readers, writers


def _prepare(connection: Any, _: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
