"""XMP: our JSON record stands in one element of it. Nothing here is read as XML."""

import html

from webui.pictures.header import MAX_TEXT, Chunk

_NAME = "darkroom"
_BEGIN, _END = "<darkroom:recipe>", "</darkroom:recipe>"


def packet(record: str) -> bytes:
    """An XMP packet with `record` (ASCII) in it."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:darkroom="urn:darkroom:recipe">'
        f"{_BEGIN}{html.escape(record, quote=False)}{_END}"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def read(data: bytes) -> list[Chunk]:
    """Our record, if it is there, else the packet as it is."""
    text = data[:MAX_TEXT].decode("utf-8", "replace")
    begin = text.find(_BEGIN)
    end = text.find(_END, begin)
    if begin < 0 or end < 0:
        return [Chunk("xmp", "XMP", text)]
    inner = text[begin + len(_BEGIN) : end]
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        inner = inner.replace(entity, character)
    return [Chunk(_NAME, "XMP", inner)]
