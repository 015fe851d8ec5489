"""For what makes several requests of one: what each of them has of its own."""

from dataclasses import replace

from webui.request import GenerationRequest

SEEDS = 2**32


def without(request: GenerationRequest, group: str) -> GenerationRequest:
    """The request without that group of an extension's controls: what the group asked for has been
    done, and its recipe is to say nothing of it. The same where it has none."""
    rest = {name: values for name, values in request.extras.items() if name != group}
    return replace(request, extras=rest)


def with_seed(request: GenerationRequest, seed: int) -> GenerationRequest:
    """The request with another seed, 0 after 2**32 - 1: `with_seed(request, request.seed + 1)`."""
    return replace(request, seed=seed % SEEDS)
