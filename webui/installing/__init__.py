"""Extensions from elsewhere: looked at, installed, updated, rolled back, removed.

Nothing here runs an extension's code, and nothing is fetched that nobody asked for. What comes from
there, the names of files first of all, is hostile until it has been checked.
"""

from webui.installing.git import Git
from webui.installing.index import Index
from webui.installing.install import Install
from webui.installing.installs import Installs
from webui.installing.looks import Look, Tools
from webui.installing.nowhere import nowhere
from webui.installing.packages import Pip
from webui.installing.placing import recover
from webui.installing.records import Record

__all__ = [
    "Git",
    "Index",
    "Install",
    "Installs",
    "Look",
    "Pip",
    "Record",
    "Tools",
    "nowhere",
    "recover",
]
