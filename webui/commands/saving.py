"""Where a command puts the pictures of a job."""

from collections.abc import Iterator
from pathlib import Path

from webui.client import Job, Picture
from webui.errors import NotSaved


def saved(job: Job, out: Path, stem: str = "") -> Iterator[Path]:
    """Saves the pictures, and yields where each is.

    Into the folder `out`, under the server's names or `stem`; or as the file `out`; several are
    then numbered from 1. A file has the suffix of what it is, whatever was asked for. Raises
    NotSaved.
    """
    pictures = job.pictures
    for number, picture in enumerate(pictures, 1):
        several = number if len(pictures) > 1 else 0
        try:
            yield _saved(picture, out, stem, several)
        except OSError as error:
            raise NotSaved(f"{out} cannot be written: {error.strerror or error}") from error


def _saved(picture: Picture, out: Path, stem: str, number: int) -> Path:
    file, end = picture.file(), f"-{number}" if number else ""
    if stem or out.is_dir():
        out.mkdir(parents=True, exist_ok=True)
        return file.save(out / (f"{stem}{end}{file.suffix}" if stem else file.name))
    out.parent.mkdir(parents=True, exist_ok=True)
    right = out.suffix.lower() == file.suffix or (out.suffix, file.suffix) == (".jpeg", ".jpg")
    return file.save(out.with_name(f"{out.stem}{end}{out.suffix if right else file.suffix}"))
