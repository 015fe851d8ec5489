"""A server that is put together without a place for extensions: it installs nothing."""

import os
from pathlib import Path

from webui.downloads import Access
from webui.installing.git import Git
from webui.installing.index import Index
from webui.installing.installs import Installs
from webui.installing.looks import Tools
from webui.installing.packages import Pip


def nowhere() -> Installs:
    """For a server that is put together without."""
    place = Path(os.devnull)
    tools = Tools(Git({}), Pip({}), place, ())
    index = Index("", place, Access())
    return Installs(place, tools, index, allowed=(), forbidden="this server installs nothing")
