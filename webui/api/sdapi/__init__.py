"""A1111's HTTP API: /sdapi/v1/*, and what clients use of /internal/*.

One file for each group of routes, one line in this table. Lenient where A1111's clients rely on it,
strict where it protects; docs/sdapi.md says what each field does here.
"""

from collections.abc import Callable, Sequence

from fastapi import APIRouter

from webui.api.sdapi import (
    extras,
    generation,
    interruption,
    lists,
    models,
    options,
    progress,
    reports,
    scripts,
)
from webui.api.sdapi.desk import Desk
from webui.services import Services

PREFIX = "/sdapi/v1"
INTERNAL = "/internal"
GROUPS: Sequence[Callable[[Desk], APIRouter]] = (
    generation.router,
    extras.router,
    progress.router,
    interruption.router,
    options.router,
    lists.router,
    models.router,
    scripts.router,
    reports.router,
)


def router(services: Services) -> APIRouter:
    desk = Desk(services)
    router = APIRouter(tags=["A1111"])
    for group in GROUPS:
        router.include_router(group(desk), prefix=PREFIX)
    router.include_router(progress.internal(desk), prefix=INTERNAL)
    return router
