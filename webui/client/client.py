"""One server, as a program uses it."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from webui.client.answers import (
    Copy,
    Embedding,
    Engine,
    Health,
    Lora,
    Model,
    Queue,
    Recipe,
    Sampler,
    Schedule,
    Upscaler,
)
from webui.client.connection import Connection, part
from webui.client.jobs import Job
from webui.client.sending import Sendable, read, sent, with_pictures_sent
from webui.client.stream import Event, Stream

ADDRESS = "http://127.0.0.1:7860"  # where a server is unless told otherwise


class Client:
    """Any thread may call. Whatever the server refuses is raised as its error, with its sentence.

    Besides the errors named below, every call may raise ServerUnreachable, and NotAllowed where
    the server wants a login.
    """

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        login: tuple[str, str] | None = None,
        timeout: float = 60.0,
        patience: float = 60.0,
        owner: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`login`: name and password. `timeout`: seconds that an answer may take; `patience`:
        seconds for which a stream of events waits for a server that has gone. `owner` is written on
        the jobs. Raises InvalidRequest for what is no address."""
        self._connection = Connection(address, login, timeout, transport)
        self._patience = patience
        self._owner = owner
        self.address = self._connection.address

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- asking for pictures ----------------------------------------------------------------------

    def submit(self, request: Mapping[str, Any], *, id: str | None = None) -> Job:
        """A job for a request as docs/api.md has it; pictures in it may be files, bytes, Pillow's.

        With an `id` that was sent before it is the same job. Raises InvalidRequest, LineFull.
        """
        body = {
            "request": with_pictures_sent(self._connection, request),
            "id": id or uuid.uuid4().hex,
            "owner": self._owner,
        }
        return self._job(self._connection.post("jobs", body))

    def txt2img(self, prompt: str, *, id: str | None = None, **fields: Any) -> Job:
        """A picture from text; `fields` are those of a request: steps=20, hires={"scale": 1.5}."""
        return self.submit({"prompt": prompt, **fields}, id=id)

    def img2img(
        self,
        picture: Sendable,
        prompt: str = "",
        *,
        mask: Sendable | Mapping[str, Any] | None = None,
        init: Mapping[str, Any] | None = None,
        id: str | None = None,
        **fields: Any,
    ) -> Job:
        """A picture from a picture; with a mask, whose white is made anew, inpainting.

        `init` has what else is said of the picture: {"strength": 0.5}; a mask may be a mapping too:
        {"picture": "mask.png", "blur": 8}.
        """
        begins: dict[str, Any] = {"picture": picture, **(init or {})}
        if mask is not None:
            begins["mask"] = mask if isinstance(mask, Mapping) else {"picture": mask}
        return self.submit({"prompt": prompt, "init": begins, **fields}, id=id)

    def upscale(
        self, picture: Sendable, scale: float = 2.0, *, id: str | None = None, **how: Any
    ) -> Job:
        """The picture made larger; `how`: upscaler, width, height, crop, second ..."""
        return self.submit({"upscale": {"picture": picture, "scale": scale, **how}}, id=id)

    def complete(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request as it would be queued, with all that it leaves out; nothing is queued.

        Raises InvalidRequest for what the server would refuse.
        """
        body = {"request": with_pictures_sent(self._connection, request)}
        whole: Mapping[str, Any] = self._connection.post("requests/complete", body)["request"]
        return whole

    def send_picture(self, picture: Sendable) -> str:
        """The sha256 by which requests name it from then on. Raises InvalidRequest."""
        return sent(self._connection, picture)

    # --- jobs and their line ----------------------------------------------------------------------

    def job(self, id: str) -> Job:
        """Raises JobNotFound."""
        return self._job(self._connection.get(f"jobs/{part(id)}"))

    def jobs(self, *states: str, limit: int = 50, before: str | None = None) -> list[Job]:
        """Newest first; of these states, if any are named; older than the job `before`."""
        answer = self._connection.get(
            "jobs", {"limit": limit, "state": list(states), "before": before}
        )
        return [self._job(each) for each in answer["jobs"]]

    def events(self, after: str = "") -> Iterator[Event]:
        """Of all jobs, from now on or after that id; it never ends of itself."""
        return iter(Stream(self._connection, "events", self._patience, after))

    def queue(self, limit: int = 50, cursor: str | None = None, ended: int = 0) -> Queue:
        """What runs, a page of what waits, and as many that have ended."""
        query = {"limit": limit, "cursor": cursor, "ended": ended}
        answer: Queue = self._connection.get("queue", query)
        return answer

    def pause_queue(self) -> Queue:
        """What runs goes on to its end; nothing is begun."""
        answer: Queue = self._connection.post("queue/pause")
        return answer

    def resume_queue(self) -> Queue:
        answer: Queue = self._connection.post("queue/resume")
        return answer

    def clear_queue(self) -> int:
        """Cancels all that wait; returns how many."""
        return int(self._connection.post("queue/clear")["cancelled"])

    # --- what there is ----------------------------------------------------------------------------

    def models(self, *, refresh: bool = False) -> list[Model]:
        """`refresh`: the server looks into its folder again."""
        answer = (
            self._connection.post("models/refresh") if refresh else self._connection.get("models")
        )
        found: list[Model] = answer["models"]
        return found

    def samplers(self) -> list[Sampler]:
        found: list[Sampler] = self._connection.get("samplers")["samplers"]
        return found

    def schedules(self) -> list[Schedule]:
        found: list[Schedule] = self._connection.get("schedules")["schedules"]
        return found

    def upscalers(self) -> list[Upscaler]:
        found: list[Upscaler] = self._connection.get("upscalers")
        return found

    def embeddings(self, model: str | None = None) -> list[Embedding]:
        """As that model sees them, or the default one."""
        answer = self._connection.get("embeddings", {"model": model})
        found: list[Embedding] = answer["embeddings"]
        return found

    def loras(self) -> list[Lora]:
        found: list[Lora] = self._connection.get("loras")["loras"]
        return found

    # --- reading ----------------------------------------------------------------------------------

    def look(self, prompt: str, negative_prompt: str = "", **how: Any) -> Mapping[str, Any]:
        """Both prompts token by token, as docs/prompts.md says; `how`: model, steps, emphasis."""
        body = {"prompt": prompt, "negative_prompt": negative_prompt, **how}
        seen: Mapping[str, Any] = self._connection.post("prompts/look", body)
        return seen

    def read_recipe(self, picture: Sendable) -> Recipe:
        """How a picture was made, from what stands in its file. Raises InvalidRequest."""
        answer: Recipe = self._connection.send("recipes", read(picture), "image/png")
        return answer

    def read_parameters(self, text: str) -> Recipe:
        """How a picture was made, from A1111's text."""
        answer: Recipe = self._connection.post("recipes", {"text": text})
        return answer

    def copies(
        self, request: Mapping[str, Any] | None = None, *, job: str = "", image: int = -1
    ) -> list[Copy]:
        """A request, or that of a picture of a job, as curl, Python, a command, a script."""
        asked = {"job": job, "image": image} if request is None else {"request": request}
        answer = self._connection.post("copies", asked | {"address": self.address})
        found: list[Copy] = answer["copies"]
        return found

    # --- the server -------------------------------------------------------------------------------

    def previews(self, **choice: Any) -> Mapping[str, Any]:
        """Which previews are drawn while jobs run; what is given is set: predicted="vae"."""
        answer = (
            self._connection.put("previews", choice) if choice else self._connection.get("previews")
        )
        found: Mapping[str, Any] = answer["previews"]
        return found

    def health(self) -> Health:
        answer: Health = self._connection.get("health")
        return answer

    def restart_engine(self) -> Engine:
        """Its job goes on after the last kept step."""
        answer: Engine = self._connection.post("engine/restart")["engine"]
        return answer

    def _job(self, values: Mapping[str, Any]) -> Job:
        return Job(self._connection, values, self._patience)
