"""The beginning of a file elsewhere: what it is, how large, without fetching it."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from webui.downloads.hub import MOST_BYTES, check_status
from webui.downloads.sockets import WebError
from webui.downloads.web import Answer, Web
from webui.safetensors_header import Header, HeaderError, length_of, parsed

_FIRST = 512 * 2**10  # bytes: the whole header of nearly every file
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)
_NAMED = re.compile(r'filename="?([^";]{1,300})"?', re.IGNORECASE)
_NAMED_CODED = re.compile(r"filename\*=utf-8''([^;\s]{1,900})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Beginning:
    size: int  # bytes, of the whole file
    name: str  # as the address or the server calls it, not to be trusted
    header: Header


def beginning(web: Web, address: str, id: str = "", revision: str = "") -> Beginning:
    """`id`: of the repository, if it is on the hub. Raises WebError, HeaderError."""
    data, size, name = _bytes(web, address, _FIRST, id, revision)
    length = length_of(data[:8], size)
    if len(data) < 8 + length:
        data, size, name = _bytes(web, address, 8 + length, id, revision)
    if len(data) < 8 + length:
        raise HeaderError("its header is cut")
    return Beginning(size, name, parsed(data[8 : 8 + length], size - 8 - length))


def _bytes(web: Web, address: str, most: int, id: str, revision: str) -> tuple[bytes, int, str]:
    with web.get(address, {"Range": f"bytes=0-{most - 1}"}) as answer:
        if answer.status == 416:
            raise HeaderError("it is empty, so it is no safetensors file")
        check_status(answer, web.access, id, revision)
        size = size_of(answer)
        parts, taken = [], 0
        for chunk in answer.chunks:  # a server that knows no ranges sends all of it
            parts.append(chunk)
            taken += len(chunk)
            if taken >= min(most, size):
                break
        return b"".join(parts)[:most], size, _name(answer, address)


def size_of(answer: Answer) -> int:
    """Of the whole file. Raises WebError if the server does not say."""
    if (found := span_of(answer)) is not None:
        size = found[1]
    else:
        said = answer.headers.get("content-length", "")
        if answer.status != 200 or not re.fullmatch(r"\d{1,15}", said, re.ASCII):
            host = urlsplit(answer.address).hostname
            raise WebError(f"{host} does not say how large the file is")
        size = int(said)
    if size > MOST_BYTES:
        raise WebError(f"the file is larger than {MOST_BYTES // 2**30} GiB")
    return size


def span_of(answer: Answer) -> tuple[int, int] | None:
    """(the first byte that is sent, the whole file's size) of a part; None if it is the whole."""
    if answer.status != 206:
        return None
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    return (int(found[1]), int(found[3])) if found else None


def _name(answer: Answer, address: str) -> str:
    """The server's word, where it gives one."""
    said = answer.headers.get("content-disposition", "")
    if coded := _NAMED_CODED.search(said):
        return unquote(coded[1], errors="replace").strip()
    if plain := _NAMED.search(said):
        return plain[1].strip()
    return unquote(urlsplit(address).path.rpartition("/")[2], errors="replace")
