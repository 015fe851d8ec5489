"""Why an extension is not installed, for people."""


class InstallError(Exception):
    def __init__(self, text: str, field: str = "source") -> None:
        """`field`: what to change about it."""
        super().__init__(text)
        self.field = field


class EndedError(Exception):
    """Somebody wants it to end."""
