"""Extensions in the engine: what wraps, listens and works on pictures; and what fails in a job."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from tests.engine.conftest import make_engine, play, request
from webui import (
    AttentionProcessor,
    DenoiserWrapper,
    ImageOperation,
    InitImage,
    StepListener,
    hookimpl,
)
from webui.engine import builtin
from webui.engine.engine import Engine
from webui.errors import OutOfMemory
from webui.events import Rendered, Step, Warned
from webui.wire import RunOptions


class Plugin:
    """Registers what it is given."""

    def __init__(self, **tables):
        for name, table in tables.items():
            setattr(self, f"register_{name}", hookimpl(lambda table=table: table))


def engine_with(models_dir, **plugins) -> Engine:
    return make_engine(models_dir, engine_registry({"builtin": builtin, **plugins}))


def asked(*names, **values):
    return request(extras={name: {"on": True} for name in names}, **values)


def wrapper(wrap, needs="one", **options):
    return Plugin(denoiser_wrappers=(DenoiserWrapper(needs=needs, wrap=wrap, **options),))
