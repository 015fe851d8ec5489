"""Keys of a picture's text that are Darkroom's own, or that its reader gives a meaning.

No extension may write them: nobody could tell the two apart again.
"""

from webui.errors import ExtensionError
from webui.fields import FIELDS

_DONE_TO_IT = "postprocess "  # such keys are put aside when a picture is made larger
_KEYS = {each.metadata.casefold() for each in FIELDS.values() if each.metadata} | {
    each.casefold()
    for each in (
        "App", "Backend", "Batch", "Branch", "Civitai metadata", "Civitai resources", "Comment",
        "Conditional mask weight", "Created Date", "Did not run", "Diffusion in Low Bits", "ENSD",
        "Eta DDIM", "Exact steps", "Face restoration", "FP8 weight", "Hashes", "Hires checkpoint",
        "Hires Module 1", "Hires resize", "Index", "Init image hash", "Loop",
        "Loop denoising strength", "Loop seed", "Lora hashes", "Mask mode", "Model hash",
        "Module 1", "Notes", "Operations", "Original negative", "Original prompt", "Parser",
        "Pipeline", "Prompt", "Sampler order", "Sampler sigma", "Seed resize from", "Sigmas",
        "Size", "Soft inpainting enabled", "Stopped at step", "TI", "TI hashes", "Tiling",
        "UniPC order", "UniPC variant", "User", "VAE decoder", "VAE encoder", "VAE hash",
        "Variation strength", "Version",
    )
}  # fmt: skip


def check(key: str, id: str) -> None:
    """Raises ExtensionError for one that is taken."""
    plain = key.casefold()
    if plain in _KEYS or plain.startswith(_DONE_TO_IT):
        raise ExtensionError(
            f"{key[:80]!r} is a key that Darkroom writes or reads itself; try "
            f"'{id.replace('_', ' ').capitalize()} {key[:1].lower()}{key[1:60]}'"
        )
