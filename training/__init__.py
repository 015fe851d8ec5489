"""How the shipped model is made: a small latent diffusion model, trained from scratch on emoji.

Nothing here is imported by the web UI, and nothing of the web UI is imported here. README.md tells
the way from the packages to the model; `python -m training` walks it.
"""
