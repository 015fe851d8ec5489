"""`python launch.py generate` and `batch`: pictures from the command line, through `webui.client`.

Uses a server that runs, or starts one for as long as it takes. docs/command-line.md says how.
"""
