"""One SQLite connection: transactions, and errors as ours. Knows no table.

Any thread may use it; a lock makes them take turns, so that a transaction is nobody else's.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webui.errors import NotSaved
from webui.jobs.schema import connect


class Database:
    """Raises StartError if the file cannot be used, later NotSaved if it cannot be written."""

    def __init__(self, path: Path, undone: Callable[[], None]) -> None:
        """`undone()` is called, under the lock, after a transaction was rolled back."""
        self._path = path
        self._undone = undone
        self.lock = threading.RLock()
        self._db, self.notices = connect(path)  # notices: what happened at opening

    def close(self) -> None:
        with self.lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another one, part of it."""
        with self.lock:
            try:
                if self._db.in_transaction:
                    yield
                    return
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise
            except sqlite3.Error as error:
                raise NotSaved(f"{self._path}: {error}") from error

    def change(self, statement: str, *values: object) -> int:
        """How many rows it changed; one transaction, unless inside another."""
        with self.transaction():
            return self._db.execute(statement, values).rowcount

    def rows(self, query: str, *values: object) -> list[Any]:
        with self.lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise NotSaved(f"{self._path}: {error}") from error

    def number(self, query: str, *values: object) -> int:
        number: int = self.rows(query, *values)[0][0]
        return number

    def _roll_back(self) -> None:
        self._undone()
        if self._db.in_transaction:  # SQLite has done it already if the disk is full
            self._db.execute("ROLLBACK")
