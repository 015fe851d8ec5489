"""The one signature everything meets at, and the wrappers that keep it.

A denoiser guesses the clean latent from a noisy one. Guidance makes one out of a model and its
conditionings; a sampler calls one, and so may a wrapper, which is one again.
"""

from torch import Tensor

from webui.interfaces import Denoiser, Model


def from_epsilon(x: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
    """The clean latent, where the network predicts the noise; all (B, C, h, w), sigma ()."""
    return x - sigma * epsilon


def from_velocity(x: Tensor, sigma: Tensor, velocity: Tensor) -> Tensor:
    """The clean latent, where the network predicts v: Salimans & Ho 2022 (arXiv:2202.00512), D.

    In sigma form, x = clean + sigma * noise; all (B, C, h, w), sigma ().
    """
    variance = sigma**2 + 1
    return x / variance - velocity * (sigma / variance**0.5)


def guided(model: Model, positive: Tensor, negative: Tensor, scale: float) -> Denoiser:
    """Classifier-free guidance, Ho & Salimans 2022 (arXiv:2207.12598); both in one network call.

    `positive` and `negative` are conditionings (1, tokens, width). At scale 1 the negative one has
    no influence and is not computed.
    """
    if scale == 1.0:

        def conditional(x: Tensor, sigma: Tensor) -> Tensor:
            (towards,) = model.predict(x, sigma, [positive])
            return towards

        return conditional

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        away, towards = model.predict(x, sigma, [negative, positive])
        return away + scale * (towards - away)

    return denoise
