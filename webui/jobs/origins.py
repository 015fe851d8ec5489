"""Which jobs' kept steps are still needed: those that a branch goes on from."""

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
