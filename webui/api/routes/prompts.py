"""A prompt under the microscope while it is typed, and what can be completed in it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query

from webui import prompt_blocks
from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.errors import InvalidRequest, ModelNotFound, ModelRefused
from webui.fields import FIELDS, shown
from webui.library import ModelEntry
from webui.prompt import ClipVocabulary, Emphasis
from webui.prompt.look import Look, look
from webui.services import Services
from webui.word_lists import MOST, Word

LONGEST = 100_000  # characters of a prompt that is looked at
_ASKED = ("prompt", "negative_prompt", "model", "steps", "emphasis")


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/prompts", tags=["prompts"])

    @router.post("/look", **says(lists.PromptLooks, body=bodies.PromptLook))
    def looked_at(body: JsonObject) -> dict[str, Any]:
        """{"prompt", "negative_prompt"?, "model"?, "steps"?, "emphasis"?}: both, token by token.

        A prompt that could not be made has an "error" and nothing else: it may be half typed.
        """
        schema.check_known(body, _ASKED)
        steps, emphasis = _steps(body), _emphasis(body)
        texts = {name: _text(body, name) for name in ("prompt", "negative_prompt")}
        entry, words, unusable = _vocabulary(services, schema.text(body, "model", None))

        told: dict[str, Any] = {
            "emphasis": emphasis,
            "unusable": unusable,
            "kinds": prompt_blocks.kinds(services.registry),
            "misfit": partial(services.loras.misfit, model=entry),
        }

        def seen(name: str) -> Look:
            return look(texts[name], words, steps, positive=name == "prompt", **told)

        return {name: _told(seen, name) for name in texts}

    @router.get("/names", **says(lists.Names))
    def names(
        prefix: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    ) -> dict[str, Any]:
        """LoRAs, embeddings, wildcards and tags that begin so; none but files without a prefix."""
        entries = services.embeddings.entries()
        files = [Word(entry.name, "embedding") for entry in entries if entry.problem is None]
        files += [Word(name, "lora") for name in services.loras.names()]
        models = services.settings.models_dir
        found = services.word_lists.beginning(models, prefix, limit, files)
        return {"names": [asdict(word) for word in found]}

    return router


def _vocabulary(
    services: Services, name: str | None
) -> tuple[ModelEntry, ClipVocabulary, dict[str, str]]:
    """A model and its, and the embeddings that it cannot use: their names, and why."""
    name = name or services.library.default()
    if name is None:
        raise InvalidRequest("model", "there is no model to use")
    try:
        entry = services.library.find(name)
        if entry.problem is not None:
            raise ModelRefused(entry.problem)
        widths = entry.token_widths
        usable = services.embeddings.usable(widths)
        vectors = {key: entry.vectors for key, entry in usable.items()}
        words = services.vocabularies.of(entry.tokenizer, vectors)
    except ModelNotFound as error:
        raise InvalidRequest("model", str(error)) from None
    except ModelRefused as error:
        raise InvalidRequest("model", f"{name} cannot be used: {error}") from None
    return entry, words, services.embeddings.unusable(widths)


def _told(look_at: Callable[[str], Look], name: str) -> dict[str, Any]:
    try:
        seen = asdict(look_at(name))
    except InvalidRequest as error:
        return {"error": error.problem}
    counter = {"tokens": seen.pop("tokens"), "of": seen.pop("of")}
    return {"error": None, "counter": counter, **seen}


def _text(body: Mapping[str, Any], name: str) -> str:
    text = schema.text(body, name, "") or ""
    if len(text) > LONGEST:
        raise InvalidRequest(name, f"must be at most {LONGEST} characters, got {len(text)}")
    return text


def _steps(body: Mapping[str, Any]) -> int:
    steps = body.get("steps", FIELDS["steps"].default)
    FIELDS["steps"].check(steps)
    return int(steps)


def _emphasis(body: Mapping[str, Any]) -> Emphasis:
    """A1111's name for it, whatever the capitals."""
    given = schema.text(body, "emphasis", None) or "original"
    for known in get_args(Emphasis):
        if given.casefold() == known:
            return known  # type: ignore[no-any-return]
    raise InvalidRequest(
        "emphasis", f"must be one of {', '.join(get_args(Emphasis))}, got {shown(given)}"
    )
