"""A request as curl: one call asks, one waits, one fetches each picture."""

from typing import Any

from webui.copies.asked import Asked
from webui.copies.quoting import json_text, shell

_LISTED = 4  # pictures that are fetched one by one


def curl(asked: Asked, address: str, login: str | None) -> str:
    """For bash or zsh. `address` ends with a slash; `login` is a name, whose password curl asks
    for."""
    call = "curl -sS" + (f" -u {shell(login)}" if login else "")
    body: dict[str, Any] = {"id": _ID, "request": dict(asked.said)}
    # the id is the shell's: everything else is one quoted word
    before, after = (shell(half) for half in _halves(json_text(body)))
    jobs = shell(f"{address}api/v1/jobs")
    lines = [
        "job=curl-$(date +%s)-$$",
        f"{call} --fail-with-body {jobs} -H 'Content-Type: application/json' \\",
        f'  --data-binary {before}"$job"{after}',
        f"{call} -o /dev/null {jobs}/$job/events  # until it has ended",
    ]
    count = asked.request.images
    for image in range(min(count, _LISTED)):
        lines.append(f"{call} --fail -o picture-{image}.png {jobs}/$job/pictures/{image}")
    if count > _LISTED:
        last = count - 1
        lines[-_LISTED:] = [
            f"for image in $(seq 0 {last}); do",
            f"  {call} --fail -o picture-$image.png {jobs}/$job/pictures/$image",
            "done",
        ]
    return "\n".join(lines) + "\n"


_ID = "\0"  # no request holds it


def _halves(body: str) -> tuple[str, str]:
    before, _, after = body.partition(json_text(_ID)[1:-1])
    return before, after
