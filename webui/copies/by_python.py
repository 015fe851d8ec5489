"""A request as a program with `webui.client`."""

from webui.copies.asked import Asked
from webui.copies.quoting import python

_TEXT_ALONE = frozenset({"init", "upscale"})


def client(asked: Asked, address: str, login: str | None) -> str:
    said = dict(asked.said)
    opened = python(address.rstrip("/"))
    lines = ["from webui.client import Client", ""]
    if login:
        lines[:0] = ["from getpass import getpass", ""]
        opened += f", login=({python(login)}, getpass())"
    lines += [f"with Client({opened}) as darkroom:"]
    if _TEXT_ALONE & said.keys():
        lines += [f"    job = darkroom.submit({python(said, 4)})"]
    else:
        prompt = said.pop("prompt", "")
        given = [python(prompt), *(f"{name}={python(each, 8)}" for name, each in said.items())]
        lines += ["    job = darkroom.txt2img(", *(f"        {each}," for each in given), "    )"]
    lines += ["    for picture in job.wait().pictures:", '        print(picture.save("."))']
    return "\n".join(lines) + "\n"
