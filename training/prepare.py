"""From the packages to one small folder that the training needs, and nothing else:

    classes.json   the emoji that are learnt, and their words
    pictures.zip   their drawings: 3d/KEY.webp and flat/KEY.webp, 256 x 256 with alpha
    tokenizer/     CLIP's
    tokens.safetensors   what each token means to begin with

About 30 MB: it can be carried to a machine with a GPU and without a network.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from training import emoji, sources, vocabulary
from training.emoji import Emoji
from training.kin import with_kin
from training.sentences import Sentences

STYLES = ("3d", "flat")
_SIDE = 256


def prepare(packages: Path, data: Path) -> None:
    """Writes the folder `data`; what is there already is kept."""
    data.mkdir(parents=True, exist_ok=True)
    sources.fetch(packages)
    if not all((data / name).exists() for name in ("tokens.safetensors", "classes.json")):
        _write_words(packages, data)
    if not (data / "pictures.zip").exists():
        _write_pictures(packages, data)


def classes(data: Path) -> list[Emoji]:
    """The emoji in the order that all tensors have them in."""
    rows = json.loads((data / "classes.json").read_text("utf-8"))
    several = ("names", "tags", "kin")
    return [Emoji(**row | {name: tuple(row[name]) for name in several}) for row in rows]


def pictures(data: Path, known: Sequence[Emoji], side: int) -> Tensor:
    """(styles, classes, 4, side, side) uint8: RGB times alpha, then alpha.

    A class without a drawing in the second style has an empty one. Kept in a file beside the
    archive: unpacking takes a minute.
    """
    kept = data / f"pictures-{side}.npy"
    if not kept.exists():
        np.save(kept, _unpacked(data, known, side))
    return torch.from_numpy(np.load(kept)).permute(0, 1, 4, 2, 3).contiguous()


def _unpacked(data: Path, known: Sequence[Emoji], side: int) -> np.ndarray:
    made = np.zeros((len(STYLES), len(known), side, side, 4), np.uint8)
    with zipfile.ZipFile(data / "pictures.zip") as archive:
        there = set(archive.namelist())
        asked = [
            (s, c, name)
            for s, style in enumerate(STYLES)
            for c, name in enumerate(f"{style}/{each.key}.webp" for each in known)
            if name in there
        ]
        read = (archive.read(name) for *_, name in asked)
        with ThreadPoolExecutor() as threads:
            drawn = threads.map(_premultiplied, read, repeat(side))
            for (s, c, _), picture in zip(asked, drawn, strict=True):
                made[s, c] = picture
    return made


def tokens(data: Path, width: int) -> Tensor:
    """(49408, width) float32: the first principal components of what the tokens mean."""
    return load_file(data / "tokens.safetensors")["tokens"][:, :width].float()


def _premultiplied(encoded: bytes, side: int) -> np.ndarray:
    """(side, side, 4): alpha multiplied in before the size changes, so that edges have no halo."""
    picture = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGBA"), np.float32)
    picture = np.concatenate([picture[..., :3] * picture[..., 3:] / 255, picture[..., 3:]], -1)
    if side != _SIDE:
        bands = [
            Image.fromarray(picture[..., band]).resize((side, side), Image.Resampling.BOX)
            for band in range(4)
        ]
        picture = np.stack([np.asarray(band) for band in bands], -1)
    whole: np.ndarray = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return whole


def _write_words(packages: Path, data: Path) -> None:
    """All that the sentence model is needed for: the meanings of tokens, and the classes' kin."""
    sentences = Sentences.of(sources.sentence_model(packages, packages))
    if not (data / "tokens.safetensors").exists():
        vocabulary.write_tokenizer(sources.vocabulary(packages), data / "tokenizer")
        rows = vocabulary.meanings(data / "tokenizer", sentences)
        save_file({"tokens": rows.half()}, data / "tokens.safetensors")
    if not (data / "classes.json").exists():
        _write_classes(packages, data, sentences)


def _write_classes(packages: Path, data: Path, sentences: Sentences) -> None:
    entries, codes = sources.emojibase(packages)
    entries = [entry | {"hexcode": _bare(entry["hexcode"]).upper()} for entry in entries]
    drawn = {_bare(key) for key, _ in sources.fluent(packages)}
    bare_codes = {_bare(key).upper(): names for key, names in codes.items()}
    known = emoji.classes(entries, bare_codes, drawn)
    secret = {word for word, _ in emoji.held_out()}
    known = with_kin(known, vocabulary.words(data / "tokenizer"), secret, sentences)
    rows = [asdict(each) for each in known]
    (data / "classes.json").write_text(json.dumps(rows, indent=1), "utf-8", newline="\n")


def _write_pictures(packages: Path, data: Path) -> None:
    drawn = {_bare(key): picture for key, picture in sources.fluent(packages)}
    flat = {_bare(key): svg for key, svg in sources.noto(packages).items()}
    with zipfile.ZipFile(data / "pictures.part", "w", zipfile.ZIP_STORED) as archive:
        for each in classes(data):
            archive.writestr(f"3d/{each.key}.webp", drawn[each.key])
            if each.key in flat:
                archive.writestr(f"flat/{each.key}.webp", _rendered(flat[each.key]))
    (data / "pictures.part").replace(data / "pictures.zip")


def _bare(key: str) -> str:
    """Code points without the selector of the coloured form, which packages use differently."""
    return key.lower().replace("-fe0f", "")


def _rendered(svg: str) -> bytes:
    import resvg_py  # only here: a machine that trains from a prepared folder has no need of it

    png = resvg_py.svg_to_bytes(svg_string=svg, width=_SIDE, height=_SIDE)
    packed = io.BytesIO()
    Image.open(io.BytesIO(bytes(png))).convert("RGBA").save(packed, "WEBP", quality=90)
    return packed.getvalue()
