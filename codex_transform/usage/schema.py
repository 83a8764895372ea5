"""The tables of the usage file, and how a file of an older release becomes one of this release.

A file carries the number of migrations that it has been through (`PRAGMA user_version`). A migration is never edited
once it is released; what changes is appended as a new one. Only additions are safe: an older release that is still
running names the columns it reads and writes.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE IF NOT EXISTS calls (
            at REAL NOT NULL, model TEXT NOT NULL, conversation TEXT, failed INTEGER NOT NULL,
            input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
            first_token REAL, total REAL, cause TEXT, missed INTEGER NOT NULL
        )
        """,
        "CREATE INDEX IF NOT EXISTS calls_at ON calls (at)",
    ),
    (
        "ALTER TABLE calls ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE calls ADD COLUMN repaired INTEGER NOT NULL DEFAULT 0",
    ),
    ("ALTER TABLE calls ADD COLUMN person TEXT",),
    ("ALTER TABLE calls ADD COLUMN address TEXT",),
)
"""The statements of each migration, the oldest first."""


def file_version(db: sqlite3.Connection) -> int:
    """Return how many migrations the file has been through; 0 for an empty one."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(db: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Apply the migrations that the file lacks, all of them or none.

    The connection must be in autocommit mode. Several programs may do this at once.
    """
    if file_version(db) >= len(migrations):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another program may have been first.
        if (version := file_version(db)) < len(migrations):
            for statement in chain(*migrations[version:]):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise
