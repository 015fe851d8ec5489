"""A server for one command: it ends when the command's process does, however that ends.

    python -m webui.commands.alone [the server's arguments]

Its standard input is a pipe that the command holds; where the pipe ends, the server does.
"""

import os
import signal
import sys
import threading

from webui.__main__ import main


def _end_with_the_command() -> None:
    while os.read(0, 1):  # not sys.stdin, whose lock would outlive this thread
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    sys.exit(main(sys.argv[1:], noted=False))
