"""Models from elsewhere: by a name on the hub or by an address, into the folder they belong in.

Nothing here touches the network unless somebody asks for that very file. What comes from there, the
names of files first of all, is hostile until it has been checked.
"""

from webui.downloads.hub import Licence
from webui.downloads.kinds import KINDS, folder_of
from webui.downloads.line import Downloads
from webui.downloads.looks import RESERVE, Look, Wish, free_bytes
from webui.downloads.records import Download
from webui.downloads.web import Access

__all__ = [
    "KINDS",
    "RESERVE",
    "Access",
    "Download",
    "Downloads",
    "Licence",
    "Look",
    "Wish",
    "folder_of",
    "free_bytes",
]
