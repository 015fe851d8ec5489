"""From a request to pixels. torch and diffusers live here and nowhere else.

Tensors are batch first: images (B, 3, H, W) in [-1, 1], latents (B, C, h, w). Noise levels are
sigmas (Karras et al. 2022, arXiv:2206.00364): x = clean latent + sigma * unit noise. The sampler's
state is float32 on every device; sigmas stay on the CPU, so that looking at one never waits for a
GPU.
"""
