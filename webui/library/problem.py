"""Why something under models/ cannot be used: raised while it is looked at, shown in the list."""


class ProblemError(Exception):
    """For people; becomes the `problem` of an entry."""
