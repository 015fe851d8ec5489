"""A request as text to be run elsewhere: curl, Python, a command line, a script with diffusers.

Says only what differs from the defaults, and in words what a form of it cannot say. Knows neither
routes nor the page.
"""

from webui.copies.asked import Asked, asked, recorded
from webui.copies.by_command import command, unsaid
from webui.copies.by_curl import curl
from webui.copies.by_diffusers import script
from webui.copies.by_python import client
from webui.copies.written import Copies, copies

__all__ = [
    "Asked",
    "Copies",
    "asked",
    "client",
    "command",
    "copies",
    "curl",
    "recorded",
    "script",
    "unsaid",
]
