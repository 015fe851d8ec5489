"""`generate`: one request, its progress, its pictures."""

from pathlib import Path

from webui.client import Job
from webui.commands.options import Asked
from webui.commands.progress import Progress, printable
from webui.commands.saving import saved
from webui.commands.serving import Reached
from webui.request.dotted import nested


def generate(asked: Asked, reached: Reached, progress: Progress) -> list[str]:
    """Returns where each picture is. On Ctrl+C the job is cancelled.

    Raises what the client raises: InvalidRequest, JobFailed ...
    """
    job = reached.client.submit(nested(asked.values))
    follow(job, progress)
    if job.state != "done":
        progress.say(f"the job was {job.state}")
    if asked.out is not None and asked.folder:
        asked.out.mkdir(parents=True, exist_ok=True)
    made = _places(job, asked.out, reached.outputs)
    for path in made:
        if asked.out is not None and not asked.out.is_dir() and path.suffix != asked.out.suffix:
            progress.say(f"the server makes {path.suffix[1:]}: saved as {path.name}")
    return [str(path) for path in made]


def follow(job: Job, progress: Progress) -> None:
    """Shows how it goes, to its end. Raises JobFailed."""
    try:
        for event in job.events():
            progress.take(event)
    except KeyboardInterrupt:
        job.cancel()
        progress.clear()
        progress.say(f"cancelled job {job.id}")
        raise
    progress.clear()
    job.checked()


def _places(job: Job, out: Path | None, outputs: Path | None) -> list[Path]:
    if out is not None:
        return list(saved(job, out))
    here = outputs or Path()  # of a server elsewhere: in its own folder
    return [here / printable(picture.path) for picture in job.pictures]
