"""A prompt's text understood: A1111's grammar, and mixing."""
