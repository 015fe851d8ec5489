"""The line of jobs: order, cancel, recover, look. Knows neither the engine nor the page."""
