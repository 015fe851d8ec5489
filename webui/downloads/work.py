"""One download from its first byte to its name in the folder: the straight line."""

from collections.abc import Iterator

from webui.downloads import placing
from webui.downloads.fetching import fetched
from webui.downloads.looks import RESERVE, free_bytes
from webui.downloads.records import Download
from webui.downloads.sockets import Check, WebError
from webui.downloads.web import Web


def worked(web: Web, download: Download, check: Check) -> Iterator[int]:
    """Yields how many bytes of all its files are there; at the end they are where they belong.

    Nothing is seen in the folder before. Raises WebError, WrongFileError, FileExistsError, OSError,
    and what `check` raises.
    """
    folder, items = download.folder, download.items
    place = placing.workplace(folder, download.id)
    place.mkdir(parents=True, exist_ok=True)
    left = download.size_bytes - placing.bytes_there(folder, download.id, len(items))
    if (free := free_bytes(folder)) < left + RESERVE:
        raise WebError(
            f"the disk of {folder} is full: {free} bytes are free, {left} are still to come, and "
            f"{RESERVE} are left alone; make room and go on"
        )
    before = 0
    for number, item in enumerate(items):
        for have in fetched(web, item, placing.part_of(place, number), check, download.hub_id):
            yield before + have
        before += item.size
    for number, item in enumerate(items):
        placing.check_weights(item, placing.part_of(place, number))
    check()
    target = folder / download.target
    if download.whole_folder:
        placing.put_folder(place, items, target)
    else:
        placing.put_file(placing.part_of(place, 0), target)
    placing.clear(folder, download.id)
