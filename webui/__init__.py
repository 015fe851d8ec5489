"""Darkroom: what extensions may import; nothing else is public.

Imports nothing outside the standard library: `launch.py` reads it under a bare Python.
"""

__version__ = "0.1.0"
