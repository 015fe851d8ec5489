"""A client of the native API: `Client`, its jobs, their events, frames and pictures.

    from webui.client import Client

    with Client("http://127.0.0.1:7860") as darkroom:
        for picture in darkroom.txt2img("a red fox", steps=20).wait().pictures:
            picture.save("fox.png")

Needs httpx alone, and of `webui` the errors: what the server refuses is raised here as the error
that it was there. docs/client.md has the whole of it.
"""

from webui.client.client import Client
from webui.client.errors import JobFailed, NotAllowed, Refused, ServerUnreachable
from webui.client.jobs import ENDED, Frame, Job, Picture
from webui.client.sending import Sendable
from webui.client.stream import Event

__all__ = [
    "ENDED",
    "Client",
    "Event",
    "Frame",
    "Job",
    "JobFailed",
    "NotAllowed",
    "Picture",
    "Refused",
    "Sendable",
    "ServerUnreachable",
]
