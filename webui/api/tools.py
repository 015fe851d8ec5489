"""Tools for assistants, by the Model Context Protocol: generate, img2img, list_models.

The only place that knows the package mcp. A call becomes a job of the line like any other, and
answers with its pictures, its id and their parameters; who goes away finds the job in the line.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import Field
from starlette.routing import BaseRoute

from webui import __version__
from webui.api.body import MOST
from webui.api.routes.pictures import contained
from webui.api.sdapi.calls import Endings
from webui.errors import DarkroomError, InvalidRequest
from webui.fields import FIELDS, IntegerField, NumberField
from webui.jobs.job import Job
from webui.metadata import read_parameters
from webui.pictures import MEDIA_TYPES
from webui.services import Services, submit

OWNER = "mcp"  # of jobs that came this way
PATH = "/mcp"
_LOOK = 1.0  # seconds between two words about a job's progress
_ABOUT = (
    "Darkroom makes pictures from text with Stable Diffusion, on this computer. A picture takes "
    "from seconds to minutes. The same seed and values give the same picture."
)


def _declared(name: str, least: float | None = None) -> Any:
    """As the page declares the field."""
    field = FIELDS[name]
    if isinstance(field, IntegerField | NumberField):
        minimum = field.minimum if least is None else least
        return Field(description=field.help, ge=minimum, le=field.maximum)
    return Field(description=field.help)


Prompt = Annotated[str, _declared("prompt")]
Negative = Annotated[str, _declared("negative_prompt")]
Steps = Annotated[int | None, _declared("steps")]  # None: as it suits the model
Guidance = Annotated[float | None, _declared("guidance_scale")]
Seed = Annotated[int, Field(description="-1 is a random one.", ge=-1, le=2**32 - 1)]
Images = Annotated[int, Field(description="How many pictures.", ge=1, le=8)]
Side = Annotated[int | None, Field(description="Pixels, a multiple of 8; the model's own if left.")]
Name = Annotated[str | None, Field(description="One that list_models names; its default if left.")]
Sampler = Annotated[str | None, Field(description='As list_models names them: "Euler a".')]
Strength = Annotated[float, _declared("init.strength")]


class Tools:
    """Of one application; `running()` lasts as long as it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endings = Endings(services.line)
        self._server = MCPServer("darkroom", version=__version__, instructions=_ABOUT)
        for tool in (self.generate, self.img2img):
            self._server.add_tool(tool, structured_output=False)
        reads = ToolAnnotations(read_only_hint=True)
        self._server.add_tool(self.list_models, annotations=reads, structured_output=True)
        # each call stands for itself; who may ask is the guard's to say
        self.routes: Sequence[BaseRoute] = self._server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            max_request_body_size=MOST,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        ).routes

    def running(self) -> AbstractAsyncContextManager[None]:
        return self._server.session_manager.run()

    async def generate(
        self,
        ctx: Context[Any, Any],
        prompt: Prompt,
        negative_prompt: Negative = "",
        steps: Steps = None,
        guidance_scale: Guidance = None,
        width: Side = None,
        height: Side = None,
        seed: Seed = -1,
        images: Images = 1,
        sampler: Sampler = None,
        model: Name = None,
    ) -> CallToolResult:
        """Makes pictures from a text: the pictures, then the job's id and their parameters."""
        values = {
            "prompt": prompt, "negative_prompt": negative_prompt, "steps": steps,
            "guidance_scale": guidance_scale, "width": width, "height": height, "seed": seed,
            "images": images, "sampler": sampler, "model": model,
        }  # fmt: skip
        return await self._made(ctx, values)

    async def img2img(
        self,
        ctx: Context[Any, Any],
        prompt: Prompt,
        job: Annotated[str | None, Field(description="Whose picture it begins with.")] = None,
        image: Annotated[int, Field(description="Which of the job's, from 0.", ge=0)] = 0,
        picture: Annotated[
            str | None, Field(description="Instead of a job: a picture's file in base64.")
        ] = None,
        mask: Annotated[
            str | None, Field(description="In base64, of the same size: white is made anew.")
        ] = None,
        strength: Strength = 0.75,
        negative_prompt: Negative = "",
        steps: Steps = None,
        seed: Seed = -1,
    ) -> CallToolResult:
        """Makes a picture anew after a text; begins with one that was made here, or sent along."""
        if (job is None) == (picture is None):
            raise ToolError("picture: send either a job that was made here, or a picture")
        init: dict[str, Any] = {"strength": strength}
        init["picture"] = await asyncio.to_thread(self._beginning, job, image, picture)
        if mask is not None:
            init["mask"] = {"picture": await asyncio.to_thread(self._kept, "mask", mask)}
        values = {
            "prompt": prompt, "negative_prompt": negative_prompt, "steps": steps, "seed": seed,
            "init": init,
        }  # fmt: skip
        return await self._made(ctx, values)

    def list_models(self) -> dict[str, list[dict[str, Any]]]:
        """Models that can be used, the default one marked, and the samplers there are."""
        library, default = self._services.library, self._services.library.default()
        return {
            "models": [
                {
                    "name": each.name,
                    "family": each.family,
                    "width": each.native_width,
                    "height": each.native_height,
                    "default": each.name == default,
                }
                for each in library.entries()
                if each.problem is None
            ],
            "samplers": [
                {"name": each.name, "help": each.help}
                for each in self._services.registry.samplers.values()
            ],
        }

    async def _made(self, ctx: Context[Any, Any], values: Mapping[str, Any]) -> CallToolResult:
        """Raises ToolError with the sentence that names the field."""
        given = {name: value for name, value in values.items() if value is not None}
        try:
            asked = await asyncio.to_thread(submit, self._services, given, owner=OWNER)
            job = await self._ended(ctx, asked.id)
        except DarkroomError as error:
            raise ToolError(str(error)) from error
        if job.state not in ("done", "stopped"):
            why = job.error.text if job.error else f"it is {job.state}"
            raise ToolError(f"the job {job.id} made no picture: {why}")
        return await asyncio.to_thread(self._answer, job)

    async def _ended(self, ctx: Context[Any, Any], job_id: str) -> Job:
        """Tells of its progress meanwhile."""
        ending = asyncio.ensure_future(self._endings.end(job_id))
        try:
            while not (await asyncio.wait({ending}, timeout=_LOOK))[0]:
                seen = await asyncio.to_thread(self._services.line.overview, None, 1)
                mine = seen.running is not None and seen.running.id == job_id
                share = seen.progress.share if mine and seen.progress else 0.0
                await ctx.report_progress(share, 1.0)
            return ending.result()
        finally:
            ending.cancel()

    def _answer(self, job: Job) -> CallToolResult:
        """Its pictures, and after them what they are."""
        outputs, told = self._services.settings.outputs, [f"job: {job.id}"]
        content: list[ContentBlock] = []
        for saved in sorted(job.pictures, key=lambda one: one.image):
            path = contained(outputs, saved.path)
            if saved.image < 0 or path is None:
                continue
            data = base64.b64encode(path.read_bytes()).decode()
            kind = MEDIA_TYPES[path.suffix]
            content.append(ImageContent(type="image", data=data, mime_type=kind))
            told.append(f"picture {saved.image}:\n{read_parameters(path) or ''}")
        content.append(TextContent(type="text", text="\n\n".join(told)))
        return CallToolResult(content=content)

    def _beginning(self, job_id: str | None, image: int, picture: str | None) -> str:
        """The sha256 of the kept picture. Raises ToolError."""
        if job_id is None:
            return self._kept("picture", picture or "")
        try:
            job = self._services.line.job(job_id)
            saved = {each.image: each for each in job.pictures}.get(image)
            path = contained(self._services.settings.outputs, saved.path) if saved else None
            if path is None:
                raise InvalidRequest("image", f"the job {job.id} has no picture {image}")
            return self._services.inputs.add(path.read_bytes()).sha256
        except DarkroomError as error:
            raise ToolError(str(error)) from error

    def _kept(self, name: str, text: str) -> str:
        """Of a picture in base64. Raises ToolError."""
        try:
            data = base64.b64decode(text.rpartition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            raise ToolError(f"{name}: must be a picture's file in base64") from None
        try:
            return self._services.inputs.add(data).sha256
        except InvalidRequest as error:
            raise ToolError(f"{name}: {error.problem}") from error
        except DarkroomError as error:
            raise ToolError(str(error)) from error
