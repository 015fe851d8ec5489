"""From the prompts' text to what guides the model at each step."""
