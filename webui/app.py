"""Puts it together; the only module that knows all.

`build` starts the engine first and imports Gradio after it, so that both load at the same time;
nothing slow stands between the end of that import and the first page.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import webui
from webui import (
    controls,
    data_folder,
    inputs,
    installing,
    log_file,
    prompt_blocks,
    server_side,
)
from webui import settings as settings_module
from webui.backend import Backend, EngineProcess
from webui.downloads import Access, Downloads
from webui.embeddings import Embeddings
from webui.errors import DarkroomError, StartError
from webui.events import Look, Picture
from webui.extensions import installed
from webui.guard import Guard
from webui.guard.asgi import App, Receive, Scope, Send
from webui.guard_rules import rules
from webui.inputs import Inputs
from webui.jobs import origins
from webui.jobs.job import PreviewChoice
from webui.jobs.line import JobLine
from webui.jobs.store import Store
from webui.jobs.work import Workshop
from webui.library import Library
from webui.listeners import HeardLog, Listeners
from webui.loras import Loras
from webui.outputs import Outputs
from webui.pictures import Format
from webui.request import GenerationRequest
from webui.services import Services
from webui.settings import Settings
from webui.trajectories import Trajectories, count_kept
from webui.upscalers import Upscalers
from webui.wire import RunOptions

_SWEEP = 600.0  # seconds between looks at the temp folder
_LOADING = 600.0  # seconds that the default model may take to load
_PREVIEW = 60.0  # seconds that one preview may take: on a processor a step takes many
_PATIENCE = 4.0  # seconds that the running job has at the end
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    """The ASGI application, guarded; its lifespan's end closes everything, as `close` does."""

    guarded: App
    services: Services
    log_path: Path
    close: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.guarded(scope, receive, send)


StartEngine = Callable[[Settings], Backend]


def build(settings: Settings, start_engine: StartEngine | None = None) -> Application:
    """Starts the real engine unless told how. Raises StartError, with all closed again."""
    settings_module.apply_environment(settings)
    with ExitStack() as opened:
        lock = data_folder.Lock(settings.data_dir)
        opened.callback(lock.release)
        log_path = settings.data_dir / "log" / "darkroom.log"
        try:
            opened.callback(log_file.detach, log_file.attach(log_path))
            settings.temp_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"{settings.data_dir} cannot be written to: {error}") from error
        installing.recover(installed(settings.data_dir))  # before anything looks for extensions
        backend = (start_engine or engine_process)(settings)
        opened.callback(backend.close)
        library = Library(*settings.models_dirs, hashes=settings.data_dir / "hashes.json")
        services = assemble(settings, library, backend, opened)
        _logger.info("Darkroom %s starts, engine log: engine.log", webui.__version__)
        threading.Thread(
            target=_warm_up, args=(backend, library), name="warm-up", daemon=True
        ).start()
        closing = opened.pop_all()
    try:
        return Application(_guarded(services, closing.close), services, log_path, closing.close)
    except BaseException:
        closing.close()
        raise


def engine_process(settings: Settings) -> EngineProcess:
    """The real engine, starting."""
    root = str(Path(webui.__file__).resolve().parents[1])
    environ = settings_module.environment()
    path = [root, environ["PYTHONPATH"]] if environ.get("PYTHONPATH") else [root]
    command = [sys.executable, "-m", "webui.engine"]
    command += ["--models-dir", *map(str, settings.models_dirs)]
    command += ["--device", settings.device, "--dtype", settings.dtype]
    command += ["--offload", settings.offload]
    command += ["--threads", str(settings.threads), *server_side.engine_arguments(settings)]
    return EngineProcess(
        command,
        environ={**environ, "PYTHONPATH": settings_module.PATH_SEPARATOR.join(path)},
        log_path=settings.data_dir / "engine.log",
        blame=server_side.blame(settings),
        stall=settings.stall_timeout,
    )


def assemble(settings: Settings, library: Library, backend: Backend, opened: ExitStack) -> Services:
    """Everything but the page and the routes; `opened` closes it."""
    trajectories = Trajectories(settings.data_dir / "trajectories", settings.trajectory_quota)
    outputs = _outputs(settings, library)
    store = _store(settings, trajectories, opened)
    for notice in (*store.notices, *outputs.notices()):
        _logger.warning("%s", notice)
    named = partial(origins.pictures, store.database)
    begun_with = Inputs(settings.inputs_dir, settings.input_quota, named)
    needed = partial(origins.needed, store.database)
    # it imports Gradio: the engine is already starting, the environment set
    registry, extensions = server_side.load(settings)
    listeners = Listeners(registry.event_listeners, extensions.conduct)
    opened.callback(listeners.close)
    notes = partial(controls.notes, registry, extensions.conduct)
    told = partial(prompt_blocks.told, registry, extensions)
    workshop = _workshop(backend, outputs, trajectories, settings.inputs_dir, needed, notes, told)
    line = JobLine(
        store,
        HeardLog(listeners),
        workshop,
        max_waiting=settings.max_waiting,
        notices=outputs.notices(),
    )
    opened.callback(_close_line, line, backend)
    roots = settings.models_dirs
    files = Embeddings(*roots), Loras(*roots), Upscalers(settings.models_dir)
    parts = (*files, begun_with, _downloads(settings, library, opened))
    return Services(
        *(settings, registry, library, line, backend, trajectories, *parts),
        extensions=extensions,
        installs=server_side.installs(settings, opened),
        outputs=outputs,
    )


def _store(settings: Settings, trajectories: Trajectories, opened: ExitStack) -> Store:
    """The jobs; steps that none of them needs go."""
    store = Store(settings.data_dir / "jobs.sqlite")
    opened.callback(store.close)
    try:
        trajectories.sweep(origins.needed(store.database))
    except OSError as error:
        _logger.warning("old trajectories cannot be removed: %s", error)
    return store


def _downloads(settings: Settings, library: Library, opened: ExitStack) -> Downloads:
    """Goes on with what was asked for before."""
    made = Downloads(
        settings.models_dir,
        settings.data_dir / "downloads",
        Access(hub=settings.hub, token=settings.hub_token, private=settings.private_downloads),
        forbidden=settings.no_downloads,
        arrived=library.refresh,
    )
    opened.callback(made.close)
    return made


def _outputs(settings: Settings, library: Library) -> Outputs:
    return Outputs(
        settings.outputs,
        library,
        webui.__version__,
        unsaved=settings.data_dir / "unsaved",
        picture_format=Format(settings.image_format, settings.image_quality),
        said=partial(inputs.said, settings.inputs_dir),
    )


def _workshop(
    backend: Backend,
    outputs: Outputs,
    trajectories: Trajectories,
    inputs: Path,
    needed: Callable[[], set[str]] = set,
    notes: Callable[[GenerationRequest], tuple[str, ...]] = lambda request: (),
    told: Callable[[GenerationRequest, RunOptions], RunOptions] = lambda request, how: how,
) -> Workshop:
    """`inputs`: the folder of pictures that requests begin with; `needed`: the jobs whose kept
    steps must stay; `notes`: what extensions say in a picture's text; `told`: what the engine is to
    know of them."""

    def show(choice: PreviewChoice) -> None:
        arguments = {"noisy": choice.noisy, "predicted": choice.predicted, "every": choice.every}
        backend.call("previews", arguments, timeout=0)

    def preview(folder: Path, look: Look) -> Picture | None:
        if not folder.is_dir():
            return None
        arguments = {"keep": str(folder), "inputs": str(inputs), "look": asdict(look)}
        made: Mapping[str, object] | None = backend.call("preview", arguments, timeout=_PREVIEW)
        return _picture(made) if made else None

    return Workshop(
        run=lambda id, request, how: backend.run(id, request, told(request, how)),
        stop=lambda job_id, keep: backend.call("stop", {"job": job_id, "keep": keep}, timeout=0),
        skip=lambda job_id, batch: backend.call("skip", {"job": job_id, "batch": batch}, timeout=0),
        show=show,
        save=lambda job, rendered: outputs.save(
            replace(rendered, notes=(*rendered.notes, *notes(rendered.request)))
        ),
        save_grid=lambda job, pictures: outputs.save_grid(job.request, pictures),
        keep_folder=trajectories.folder,
        inputs=inputs,
        kept_steps=count_kept,
        tidy=lambda: trajectories.sweep(needed()),
        preview=preview,
    )


def _picture(made: Mapping[str, object]) -> Picture:
    width, height, rgb = made["width"], made["height"], made["blob"]
    assert isinstance(width, int) and isinstance(height, int) and isinstance(rgb, bytes)
    return Picture(width, height, rgb)


def _close_line(line: JobLine, backend: Backend) -> None:
    """An engine that does not let go of its job is ended, so that all is closed within 10 s."""
    impatient = threading.Timer(_PATIENCE, backend.close)
    impatient.start()
    try:
        line.close()
    finally:
        impatient.cancel()


def _warm_up(backend: Backend, library: Library) -> None:
    """So that the first click finds the model loaded and its hash known."""
    name = library.default()
    if name is None:
        _logger.warning("there is no model that can be used in %s", library.folder)
        return
    try:
        backend.call("load", {"model": name}, timeout=_LOADING)
        library.hash(name)
        library.hash_ahead()
    except (DarkroomError, OSError) as error:
        _logger.warning("the model %s could not be loaded ahead: %s", name, error)


def _guarded(services: Services, close: Callable[[], None]) -> Guard:
    # late, because they import Gradio: the environment is set, the engine is starting
    from webui.api import server
    from webui.ui import page

    settings = services.settings

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(settings.temp_dir, settings.temp_quota))
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await asyncio.to_thread(close)

    app = server.create(services, lifespan)
    page.mount(app, services)  # last: it takes every address that is not taken
    return Guard(app, rules(settings, page.icon()))


async def _sweep(temp_dir: Path, quota: int) -> None:
    """Keeps the temp folder small while the server runs."""
    while True:
        try:
            await asyncio.to_thread(data_folder.sweep, temp_dir, quota)
        except OSError as error:
            _logger.warning("the folder %s cannot be swept: %s", temp_dir, error)
        await asyncio.sleep(_SWEEP)
