"""A diffusers network's attentions, wrapped while a turn is sampled and as they were after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn import functional

from webui.interfaces.engine_hooks import Attend, AttentionPlace, WrapAttention

# what an attention may have besides; one that has is left as it is
_UNUSUAL = ("spatial_norm", "group_norm", "norm_q", "norm_k", "norm_cross", "added_kv_proj_dim")


def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What the network does by itself."""
    return functional.scaled_dot_product_attention(query, key, value)


@contextmanager
def attending(network: Any, wrap: WrapAttention) -> Iterator[None]:
    """`wrap` is asked once for each attention of the network; what gives back what it was given
    stays untouched. The network's own processors are put back at the end, whatever happens."""
    before = dict(network.attn_processors)
    modules = dict(network.named_modules())
    changed: dict[str, Any] = {}
    for name in before:
        path = name.removesuffix(".processor")
        module = modules[path]
        if any(getattr(module, each, None) for each in _UNUSUAL):
            continue
        place = AttentionPlace(name=path, cross=bool(module.is_cross_attention))
        wrapped = wrap(plain, place)
        if wrapped is not plain:
            changed[name] = _Processor(wrapped)
    try:
        if changed:
            network.set_attn_processor({**before, **changed})
        yield
    finally:
        if changed:
            network.set_attn_processor(before)


class _Processor:
    """As diffusers' own (AttnProcessor2_0), with the attention itself as an argument."""

    def __init__(self, attend: Attend) -> None:
        self._attend = attend

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """hidden_states (N, n, width) -> the same shape; no mask: our networks take none."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            made.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for made in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        made = self._attend(query, key, value).transpose(1, 2).flatten(2).to(query.dtype)
        for each in attn.to_out:  # a projection, then dropout
            made = each(made)
        if attn.residual_connection:
            made = made + hidden_states
        return made / attn.rescale_output_factor  # type: ignore[no-any-return]
