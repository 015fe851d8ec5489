"""How many steps a picture takes that begins with another one; arithmetic alone."""

WHOLE = 0.999  # the strength that A1111 takes for the most: all steps, whatever their number


def steps_made(steps: int, strength: float, exact: bool = False) -> int:
    """Of `steps` at a denoising strength, as A1111 counts: of 20 at 0.5 not 10 but 10 + 1; all of
    them where `exact`, which take a finer schedule."""
    return steps if exact else min(steps, int(min(strength, WHOLE) * steps) + 1)
