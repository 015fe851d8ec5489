"""The order of the waiting: who stands where, moving between two others, and the work ahead.

A place is a rank, a number that has room on both sides. Knows nothing of what jobs are.
"""

from dataclasses import dataclass
from typing import Any, Literal

from webui.errors import WrongState
from webui.jobs.database import Database
from webui.jobs.states import WAITING, listed

Side = Literal["front", "back", "before", "after"]
_WAITING = listed(WAITING)


@dataclass(frozen=True, slots=True)
class Place:
    """A waiting job's, at one moment."""

    id: str
    rank: float
    pace: str  # key of its speed
    steps: int  # of all batches
    images: int


class Places:
    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> int:
        """How many wait, held back ones included."""
        return self._database.number(f"SELECT count(*) FROM jobs WHERE state IN {_WAITING}")

    def ids(self) -> list[str]:
        """In order."""
        rows = self._database.rows(f"SELECT id FROM jobs WHERE state IN {_WAITING} ORDER BY rank")
        return [row["id"] for row in rows]

    def ahead(self, job_id: str) -> int:
        """How many jobs, the running one included, come before a queued one; 0 for any other."""
        with self._database.lock:
            mine = self._rank(job_id, "= 'queued'")
            if mine is None:
                return 0
            return self._count(mine, "= 'queued'") + self._database.number(
                "SELECT count(*) FROM jobs WHERE state = 'running'"
            )

    def position(self, rank: float) -> int:
        """How many wait before it, held back ones included."""
        return self._count(rank, f"IN {_WAITING}")

    def page(self, after: float | None, limit: int) -> list[Place]:
        """The waiting behind rank `after`, in order."""
        rows = self._database.rows(
            f"SELECT id, rank, pace, steps, images FROM jobs WHERE state IN {_WAITING} "
            "AND rank > ? ORDER BY rank LIMIT ?",
            float("-inf") if after is None else after,
            limit,
        )
        return [Place(**dict(row)) for row in rows]

    def work_before(self, rank: float) -> list[tuple[str, int, int]]:
        """(key of the speed, steps, images) of all queued before it, summed by key."""
        rows = self._database.rows(
            "SELECT pace, sum(steps), sum(images) FROM jobs WHERE state = 'queued' AND rank < ? "
            "GROUP BY pace",
            rank,
        )
        return [(pace, steps, images) for pace, steps, images in rows]

    def work_ahead(self, job_id: str) -> list[tuple[str, int, int]] | None:
        """As `work_before`, before a queued job; None if it is not queued."""
        with self._database.lock:
            mine = self._rank(job_id, "= 'queued'")
            return None if mine is None else self.work_before(mine)

    def last(self) -> float:
        """Of all jobs that ever were."""
        last: float = self._database.rows("SELECT coalesce(max(rank), 0.0) FROM jobs")[0][0]
        return last

    def move(self, job_id: str, side: Side, other: str | None = None) -> None:
        """Changes the rank of a waiting job. Raises WrongState if it, or the other, does not wait.

        Moving there again changes nothing that can be seen.
        """
        with self._database.transaction():
            self._waits(job_id)
            rank = self._between(job_id, side, other)
            if rank is None:  # no number is left between the two
                self._renumber()
                rank = self._between(job_id, side, other)
            self._database.change("UPDATE jobs SET rank = ? WHERE id = ?", rank, job_id)

    def _between(self, job_id: str, side: Side, other: str | None) -> float | None:
        if side == "back":
            return self.last() + 1
        if side == "front":
            below, above = None, self._edge("min", job_id)
        else:
            here = self._waits(other or "")
            if other == job_id:
                return here
            below = here if side == "after" else self._edge("max", job_id, "<", here)
            above = here if side == "before" else self._edge("min", job_id, ">", here)
        if below is None:
            return above - 1 if above is not None else self.last() + 1
        if above is None:
            return below + 1
        middle = (below + above) / 2
        return middle if below < middle < above else None

    def _edge(self, which: str, but: str, than: str = "", rank: float = 0.0) -> float | None:
        """The lowest or highest rank among the other waiting, on one side of `rank`."""
        side = f"AND rank {than} ?" if than else ""
        values: list[Any] = [but, rank] if than else [but]
        query = f"SELECT {which}(rank) FROM jobs WHERE state IN {_WAITING} AND id <> ? {side}"
        edge: float | None = self._database.rows(query, *values)[0][0]
        return edge

    def _renumber(self) -> None:
        first = self._edge("min", "") or 0.0
        for index, job_id in enumerate(self.ids()):
            self._database.change("UPDATE jobs SET rank = ? WHERE id = ?", first + index, job_id)

    def _waits(self, job_id: str) -> float:
        rank = self._rank(job_id, f"IN {_WAITING}")
        if rank is None:
            raise WrongState(f"the job {job_id[:64]!r} does not wait any more; look again")
        return rank

    def _rank(self, job_id: str, states: str) -> float | None:
        rows = self._database.rows(f"SELECT rank FROM jobs WHERE id = ? AND state {states}", job_id)
        return rows[0]["rank"] if rows else None

    def _count(self, rank: float, states: str) -> int:
        return self._database.number(
            f"SELECT count(*) FROM jobs WHERE state {states} AND rank < ?", rank
        )
