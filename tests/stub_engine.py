"""An engine without torch: speaks `webui.wire` over stdin and stdout and obeys its prompt.

Its pictures carry the job's id and the seed in their first pixels (`signature` reads them back).
What it should do wrong is written in the prompt, words separated by spaces; k counts the steps of
all batches from 1, and what was done before a death counts (as kept in the folder `keep`):

    sleep=0.1     seconds each step takes (0 by default)
    render=0.1    seconds each picture takes to be decoded (0 by default)
    die@k         ends the process at step k, the first time it gets there
    hang@k        goes on beating and does nothing more at step k
    mute@k        stops beating and does nothing more at step k
    error@k:Name  raises the error Name of webui.errors at step k
    noise@k       prints to stdout at step k, as a library would

Arguments of the real engine are taken and ignored. --late S says hello after S seconds,
--doomed says something on stderr and ends at once, --beat S sets the heartbeat (1 by default).
"""

import argparse
import contextlib
import hashlib
import json
import os
import queue
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from webui.errors import Failure, InvalidRequest, error_of, failure
from webui.events import Picture, Preview, Rendered, Skipped, Stage, Step
from webui.request import GenerationRequest, from_dict
from webui.wire import Message, RunOptions, event_message, read, write


def signed(job_id: str, seed: int, width: int, height: int) -> Picture:
    """A picture of one colour with its signature in the first bytes."""
    text = json.dumps([job_id, seed]).encode()
    colour = hashlib.sha256(text).digest()[:3]
    head = len(text).to_bytes(2, "big") + text
    return Picture(width, height, (head + colour * (width * height))[: 3 * width * height])


def signature(rgb: bytes) -> tuple[str, int]:
    """(job id, seed) of a picture by `signed`."""
    length = int.from_bytes(rgb[:2], "big")
    job_id, seed = json.loads(rgb[2 : 2 + length])
    return job_id, seed


def written(path: Path, number: int) -> None:
    """Whole, or not at all: it may end at any moment."""
    path.with_suffix(".part").write_text(str(number))
    path.with_suffix(".part").replace(path)


ANSWERS = {
    "status": {"device": "stub", "dtype": "none", "model": None, "memory": 0},
    "load": {},
    "unload": {"unloaded": []},
}


class Stub:
    def __init__(self, pipe, beat: float) -> None:
        self.pipe = pipe
        self.lock = threading.Lock()
        self.beat = beat
        self.mute = False
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.job = ""
        self.stop = None  # "keep" or "discard"
        self.skip = None  # a batch
        self.previews = {"noisy": None, "predicted": None, "every": 1}

    def send(self, message: Message) -> None:
        if not self.mute:
            with self.lock:
                write(self.pipe, message)

    def listen(self) -> None:
        while (message := read(sys.stdin.buffer)) is not None:
            self.inbox.put(message)
        os._exit(0)

    def pulse(self) -> None:
        while True:
            self.send(Message({"beat": True}))
            time.sleep(self.beat)

    def serve(self) -> None:
        threading.Thread(target=self.listen, daemon=True).start()
        self.send(Message({"hello": {"device": "stub", "pid": os.getpid()}}))
        threading.Thread(target=self.pulse, daemon=True).start()
        while True:
            message = self.inbox.get()
            if "run" in message.head:
                self.run(message)
            else:
                self.call(message)

    def run(self, message: Message) -> None:
        self.job, self.stop, self.skip = message.head["run"], None, None
        end = {"end": self.job}
        try:
            options = RunOptions(**message.head["options"])
            self.previews = {name: getattr(options, name) for name in self.previews}
            request = from_dict(message.head["request"])
            end["outcome"] = self.batches(request, options)
        except Exception as error:
            end["error"] = asdict(failure(error))
        self.job = ""
        self.send(Message(end))

    def batches(self, request: GenerationRequest, options: RunOptions) -> str:
        self.event(Stage("loading model"))
        for batch in range(options.first_batch, request.batches):
            for step in range(self.kept(options, batch) + 1, request.steps + 1):
                self.step(request, options, batch, step)
                if self.stop == "discard":
                    return "cancelled"
                if self.stop == "keep" or self.skip == batch:
                    break
            if not self.render(request, batch):
                if self.stop == "discard":
                    return "cancelled"
                self.event(Skipped(batch, step))
            if self.stop:
                return "stopped"
        return "done"

    def step(self, request: GenerationRequest, options: RunOptions, batch: int, step: int) -> None:
        number = batch * request.steps + step
        words = dict(word.partition("=")[::2] for word in request.prompt.split())
        started = time.monotonic()
        time.sleep(float(words.get("sleep", 0)))
        first_time = self.reached(options, number)
        self.misbehave(words, number, first_time)
        self.keep(options, batch, step)
        seconds = time.monotonic() - started
        self.event(Step(batch, step, request.steps, 14.6 * (1 - step / request.steps), seconds))
        for kind in ("noisy", "predicted"):
            method = self.previews[kind]
            if method and step % self.previews["every"] == 0:
                frame = signed(self.job, step, request.width // 8, request.height // 8)
                self.event(Preview(batch, step, kind, method, frame))
        self.serve_waiting()

    def serve_waiting(self) -> None:
        while not self.inbox.empty():
            self.call(self.inbox.get())

    def misbehave(self, words: dict[str, str], number: int, first_time: bool) -> None:
        for word in words:
            deed, _, rest = word.partition("@")
            at, _, name = rest.partition(":")
            if at != str(number):
                continue
            if deed == "die" and first_time:
                os._exit(1)
            if deed == "mute":
                self.mute = True
            if deed in ("mute", "hang"):
                time.sleep(3600)
            if deed == "error":
                raise error_of(Failure(name, "raised as asked"))
            if deed == "noise":
                sys.stdout.write("a library prints this\n")

    def event(self, event: object) -> None:
        self.send(event_message(event))

    def render(self, request: GenerationRequest, batch: int) -> bool:
        """Whether all were wanted."""
        words = dict(word.partition("=")[::2] for word in request.prompt.split())
        for image, seed in enumerate(request.batch_seeds(batch), batch * request.batch_size):
            if self.stop == "discard" or (self.stop is None and self.skip == batch):
                return False
            if image % request.batch_size == 0:
                self.event(Stage("decoding"))
            time.sleep(float(words.get("render", 0)))
            picture = signed(self.job, seed, request.width, request.height)
            self.event(Rendered(image, picture, request.alone(image), 0.5, 1000))
            self.serve_waiting()
        return True

    # what is kept: a file for the last step of each batch, and one for the furthest step tried

    def kept(self, options: RunOptions, batch: int) -> int:
        path = Path(options.keep or os.devnull) / f"{batch}.kept"
        return int(path.read_text()) if path.exists() else 0

    def keep(self, options: RunOptions, batch: int, step: int) -> None:
        if options.keep:
            written(Path(options.keep) / f"{batch}.kept", step)

    def reached(self, options: RunOptions, number: int) -> bool:
        """Whether step `number` is tried for the first time."""
        if not options.keep:
            return True
        Path(options.keep).mkdir(parents=True, exist_ok=True)
        path = Path(options.keep) / "reached"
        before = int(path.read_text()) if path.exists() else 0
        written(path, max(before, number))
        return number > before

    def call(self, message: Message) -> None:
        head = message.head
        try:
            value, blobs = self.answer(head["name"], head["args"])
            self.send(Message({"answer": head["call"], "value": value}, blobs))
        except Exception as error:
            self.send(Message({"answer": head["call"], "error": asdict(failure(error))}))

    def answer(self, name: str, args: dict) -> tuple[object, tuple[bytes, ...]]:
        if name == "stop":
            if args["job"] == self.job and self.stop != "discard":
                self.stop = "keep" if args["keep"] else "discard"
            return {"stopping": args["job"] == self.job}, ()
        if name == "skip":
            if args["job"] == self.job:
                self.skip = args["batch"]
            return {"skipping": args["job"] == self.job}, ()
        if name == "previews":
            self.previews = dict(args)
            return {}, ()
        if name == "preview":
            look = args["look"]
            if not (Path(args["keep"]) / f"{look['batch']}.kept").exists():
                return None, ()
            frame = signed(Path(args["keep"]).name, look["step"], 8, 8)
            return {"width": 8, "height": 8}, (frame.rgb,)
        if name in ANSWERS:
            return ANSWERS[name], ()
        raise InvalidRequest("name", f"{name!r} is no call of the stub's")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--late", type=float, default=0)
    parser.add_argument("--beat", type=float, default=1)
    parser.add_argument("--doomed", action="store_true")
    arguments, _ = parser.parse_known_args()
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed goes to stderr
    if arguments.doomed:
        sys.exit("no device of that kind")
    time.sleep(arguments.late)
    Stub(pipe, arguments.beat).serve()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
