"""The one signature everything meets at, and the wrappers that keep it.

A denoiser guesses the clean latent from a noisy one. Guidance makes one out of a model and its
conditionings; a sampler calls one, and so may a wrapper, which is one again. What CFG++ needs
beside the guess it asks the guidance itself, so that no wrapper has to know of it.
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


class RecordedGuidance:
    """Guidance that can be asked what it predicted without the prompt; for samplers of CFG++.

    At any scale both predictions are made: Chung et al. 2024 (arXiv:2406.08070), equation 9, whose
    scale goes from 0 (as without a prompt) to 1 (all prompt).
    """

    def __init__(self, model: Model, positive: Tensor, negative: Tensor, scale: float) -> None:
        self._model, self._scale = model, scale
        self._conditionings = [negative, positive]
        self._away: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self._away, towards = self._model.predict(x, sigma, self._conditionings)
        return self._away + self._scale * (towards - self._away)

    def unguided(self) -> Tensor:
        """The unguided prediction (B, C, h, w) of the last call."""
        if self._away is None:
            raise RuntimeError("nothing has been predicted yet")
        return self._away
