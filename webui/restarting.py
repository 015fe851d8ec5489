"""That somebody wants the server to end, to be started again."""

from collections.abc import Callable

from webui.errors import WrongState

# set by launch.py, which starts the server again: a file that is to be made when all is ready
SUPERVISED = "DARKROOM_SUPERVISED"


class Restart:
    def __init__(self) -> None:
        self.asked = False
        self._end: Callable[[], None] | None = None

    def offer(self, end: Callable[[], None]) -> None:
        """Called by who can start it again; `end` ends the server, from any thread."""
        self._end = end

    @property
    def possible(self) -> bool:
        return self._end is not None

    def ask(self) -> None:
        """Raises WrongState where nobody would start it again."""
        if self._end is None:
            raise WrongState(
                "nobody would start the server again: it was not started by launch.py; "
                "end it and start it by hand"
            )
        self.asked = True
        self._end()
