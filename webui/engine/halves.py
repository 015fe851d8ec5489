"""Controls whose extension has no half in this engine: what a job has to say of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webui.engine.hooks import HALF
from webui.extensions import Mishap, Standing


def missing(
    standings: Sequence[Standing], needed: Mapping[str, Sequence[str]], extras: Mapping[str, Any]
) -> list[Mishap]:
    """One for each extension whose controls `extras` has, and whose half is not loaded.

    `needed` as `RunOptions.halves`.
    """
    here = {each.found.id: each for each in standings}
    asked = [needed[name] for name in extras if name in needed]
    return list(_missing(here, dict.fromkeys((owner, why) for owner, why in asked)))


def _missing(here: Mapping[str, Standing], asked: Iterable[tuple[str, str]]) -> Iterable[Mishap]:
    for owner, why in asked:
        standing = here.get(owner)
        if standing is not None and standing.state == "on":
            continue
        if standing is not None and (mishap := standing.mishap):
            text = f"was refused at the engine's start; {mishap.hook}: {mishap.text}"
            yield Mishap(owner, HALF, text, mishap.trace)
        else:
            yield Mishap(owner, HALF, why or "is not loaded")
