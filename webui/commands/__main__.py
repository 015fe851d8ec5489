"""The commands' process: arguments in, pictures out; every foreseen failure is one sentence."""

import secrets
import signal
import sys
from collections.abc import Sequence

from webui import settings
from webui.client import ServerUnreachable
from webui.commands import options
from webui.commands.batch import BadLines, batch
from webui.commands.batch import read as read_lines
from webui.commands.generate import generate
from webui.commands.options import Asked
from webui.commands.progress import Progress
from webui.commands.serving import reached
from webui.errors import DarkroomError, InvalidRequest, StartError
from webui.fields.flags import FLAGS, flag_of

FAILED, REFUSED, NO_SERVER, INTERRUPTED = 1, 2, 3, 130


def main(argv: Sequence[str]) -> int:
    """Returns the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent has set
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    asked = options.read(argv)
    progress = Progress(sys.stderr, quiet=asked.quiet)
    try:
        return _run(asked, progress)
    except KeyboardInterrupt:
        progress.clear()
        return INTERRUPTED
    except DarkroomError as error:
        progress.clear()
        sys.stderr.write(f"darkroom: {_sentence(error)}\n")
        return _exit_code(error)


def _run(asked: Asked, progress: Progress) -> int:
    lines = []
    if asked.command == "batch":
        lines = read_lines(asked.file, secrets.token_hex(8) if asked.again else "")
    with reached(asked, settings.environment(), progress) as server:
        if asked.command == "batch":
            return FAILED if batch(asked, lines, server, progress) else 0
        for place in generate(asked, server, progress):
            sys.stdout.write(f"{place}\n")
    return 0


def _sentence(error: DarkroomError) -> str:
    """With the flag that is to blame instead of the field's name."""
    if isinstance(error, InvalidRequest) and error.field in FLAGS:
        return f"{flag_of(error.field)} {error.problem}"
    return str(error)


def _exit_code(error: DarkroomError) -> int:
    if isinstance(error, ServerUnreachable | StartError):
        return NO_SERVER
    return REFUSED if isinstance(error, InvalidRequest | BadLines) else FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
