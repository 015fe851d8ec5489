"""Why something under models/ cannot be used: raised while it is looked at, shown in the list."""


class ProblemError(Exception):
    """For people; becomes the `problem` of an entry."""


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
