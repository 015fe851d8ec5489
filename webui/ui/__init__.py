"""The page: Gradio lives here and nowhere else.

Handlers check, queue and return; everything that moves is drawn in the browser from `api/v1/live`.
"""
