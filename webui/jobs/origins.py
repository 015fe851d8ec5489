"""What jobs that are not over still need: the kept steps that a branch goes on from, and the
pictures that requests begin with."""

from webui.jobs.database import Database
from webui.jobs.states import ACTIVE, listed

_NOT_OVER = listed((*ACTIVE, "interrupted"))  # an interrupted one may be resumed


def needed(database: Database) -> set[str]:
    """Their ids, of all branches that have not come to their end."""
    found = database.rows(
        "SELECT json_extract(request, '$.resume.job') AS job FROM jobs "
        f"WHERE state IN {_NOT_OVER} AND json_type(request, '$.resume') = 'object'"
    )
    return {row["job"] for row in found}


_PICTURES = ("init.picture", "init.mask.picture", "hires.picture", "upscale.picture")


def pictures(database: Database) -> set[str]:
    """The sha256 of all that these jobs' requests name."""
    named = ", ".join(
        f"json_extract(request, '$.{place}') AS p{at}" for at, place in enumerate(_PICTURES)
    )
    found = database.rows(f"SELECT {named} FROM jobs WHERE state IN {_NOT_OVER}")
    return {sha256 for row in found for sha256 in tuple(row) if sha256 is not None}
