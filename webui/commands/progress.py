"""What a command says on stderr while it waits."""

from typing import TextIO

from webui.client import Event

_WHOLE_LINE = "\r\x1b[K"  # back to its beginning, and cleared


class Progress:
    """On a terminal one line that is written anew; elsewhere a line for what matters."""

    def __init__(self, to: TextIO, *, quiet: bool = False, name: str = "") -> None:
        """`name`: before each line, where there are several jobs."""
        self._to = to
        self._quiet = quiet
        self._name = f"{name}: " if name else ""
        self._moving = to.isatty()
        self._open = False  # a line that is to be written anew

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            self._write(f"{printable(self._name + text)}\n", stays=True)

    def show(self, text: str) -> None:
        """What the next one may take the place of; on a terminal alone."""
        if self._moving and not self._quiet:
            self._write(printable(self._name + text)[:200], stays=False)

    def take(self, event: Event) -> None:
        """Says what an event means to the one who waits."""
        match event.kind:
            case "Queued" if event["ahead"]:
                self.show(f"waits for {event['ahead']} before it")
            case "Stage":
                self.show(str(event["name"]))
            case "Step":
                turn = (
                    f" of part {event['turn'] + 1}/{event['turns']}" if event["turns"] > 1 else ""
                )
                self.show(
                    f"batch {event['batch'] + 1} · step {event['step']}/{event['steps']}{turn}"
                )
            case "Resumed":
                self.say(f"goes on after step {event['step']}")
            case "Warned":
                self.say(str(event["text"]))
            case "Skipped":
                self.say(f"batch {event['batch'] + 1} was skipped")

    def clear(self) -> None:
        """Leaves no half line behind."""
        if self._open:
            self._to.write(_WHOLE_LINE)
            self._to.flush()
            self._open = False

    def _write(self, text: str, *, stays: bool) -> None:
        self._to.write((_WHOLE_LINE if self._open else "") + text)
        self._to.flush()
        self._open = not stays


def printable(text: str) -> str:
    """What a terminal cannot take for a command of its own."""
    return "".join(each if each.isprintable() else "?" for each in text)
