"""The shelf of routes: one file for each, one line in this table."""

from collections.abc import Sequence

from webui.api.routes import (
    embeddings,
    frames,
    health,
    jobs,
    live,
    models,
    pictures,
    previews,
    prompts,
    recipes,
    samplers,
)
from webui.interfaces import Route

ROUTES: Sequence[Route] = (
    jobs.router,
    live.router,
    frames.router,
    previews.router,
    models.router,
    embeddings.router,
    samplers.router,
    health.router,
    pictures.router,
    prompts.router,
    recipes.router,
)
