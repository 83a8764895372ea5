"""What the SQLite files have in common."""

import contextlib
import sqlite3


def share(db: sqlite3.Connection) -> None:
    """Let one process write to a database while others read it. Raises sqlite3.Error.

    The mode belongs to the file. SQLite refuses the switch at once, without waiting, while another process makes it or
    uses the file; then whoever opens the file next makes it, and until then the processes wait for each other.
    """
    db.execute("PRAGMA synchronous = NORMAL")
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("PRAGMA journal_mode = WAL")
