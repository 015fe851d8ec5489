"""Our HTTP API: JSON in, JSON out. Knows services, never Gradio."""
