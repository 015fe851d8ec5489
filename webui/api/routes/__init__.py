"""The shelf of routes: one file for each, one line in this table."""

from collections.abc import Sequence

from webui.api.routes import (
    branches,
    embeddings,
    engine,
    events,
    exports,
    frames,
    health,
    inputs,
    jobs,
    live,
    loras,
    models,
    notices,
    pictures,
    previews,
    prompts,
    queue,
    recipes,
    samplers,
    shelf,
    upscalers,
)
from webui.interfaces import Route

ROUTES: Sequence[Route] = (
    jobs.router,
    queue.router,
    events.router,
    live.router,
    frames.router,
    branches.router,
    exports.router,
    previews.router,
    models.router,
    embeddings.router,
    loras.router,
    samplers.router,
    upscalers.router,
    shelf.router,
    health.router,
    engine.router,
    notices.router,
    pictures.router,
    prompts.router,
    recipes.router,
    inputs.router,
)
