"""What of a repository can be had: single files, and folders in diffusers layout.

Names are checked before anything else is done with them; what cannot be had is said with its
reason.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from webui.downloads.hub import HubFile, Repository
from webui.downloads.names import CONFIGS, kind_problem_of, problem_of, told_apart
from webui.library.folder import SIGNS, WEIGHTS
from webui.weight_files import SUFFIX

INDEX = SIGNS[0]  # model_index.json
# parts that nothing here reads, some of them large
_UNREAD = ("safety_checker", "feature_extractor", "image_encoder", "safety_concept")
_MOST_CONFIG = 64 * 2**20  # bytes; a tokenizer.json has up to 20 MB
_MOST_SHOWN = 500
_TEXTS = (*CONFIGS, ".md", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".yaml", ".yml", ".py")
_GENERIC = re.compile(  # names that say nothing of what a file is
    r"(diffusion_pytorch_model|pytorch_lora_weights|model|adapter_model|learned_embeds"
    r"|pytorch_model)(\.\w+)?"
)
_PART_OF_MANY = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a choice, and what it is called here, relative to where it goes."""

    file: HubFile
    target: str


@dataclass(frozen=True, slots=True)
class Choice:
    id: str  # a file's name, or a folder's, which ends with a slash, and a variant in brackets
    label: str
    name: str  # what it would be called here, without the suffix
    folder: bool  # in diffusers layout
    files: tuple[Wanted, ...]
    problem: str | None = None  # why it cannot be had

    @property
    def size_bytes(self) -> int:
        return sum(each.file.size for each in self.files)


@dataclass(frozen=True, slots=True)
class Refused:
    name: str
    reason: str


def choices(found: Repository) -> tuple[list[Choice], list[Refused]]:
    """Folders first. What is refused: hostile names, and what could be weights but is not read."""
    sound, refused = _sorted_out(found.files)
    folders = {
        file.name.removesuffix(INDEX)
        for file in sound
        if file.name == INDEX or file.name.endswith(f"/{INDEX}")
    }
    made: list[Choice] = []
    for place in sorted(folders):
        made += _of_folder(found, place, sound)
    single = [each for each in sound if _is_single(each.name, folders)]
    for each in sorted(single, key=lambda file: (file.name.count("/"), file.name)):
        stem = _stem(each.name, found.id)
        made.append(Choice(each.name, each.name, stem, False, (Wanted(each, stem + SUFFIX),)))
    return made[:_MOST_SHOWN], refused[:_MOST_SHOWN]


def single(found: Repository, name: str) -> Choice | None:
    """A file that somebody asked for by its name, also one out of a folder."""
    sound, _ = _sorted_out(found.files)
    file = next((each for each in sound if each.name == name), None)
    if file is None or not name.endswith(SUFFIX):
        return None
    stem = _stem(name, found.id)
    part = name.rpartition("/")[0].rpartition("/")[2]
    if part and stem == found.id.rpartition("/")[2]:
        stem = f"{stem}-{part}"
    return Choice(name, name, stem, False, (Wanted(file, stem + SUFFIX),))


def _sorted_out(files: Sequence[HubFile]) -> tuple[list[HubFile], list[Refused]]:
    doubled = told_apart(file.name for file in files)
    sound, refused = [], []
    for file in files:
        problem = problem_of(file.name)
        if problem is None and file.name in doubled:
            problem = "another file's name differs from its own by capitals alone"
        if problem is not None and not file.name.startswith(".git"):
            refused.append(Refused(file.name, problem))
        elif problem is None:
            if _looks_like_weights(file.name) and (why := kind_problem_of(file.name)):
                refused.append(Refused(file.name, why))
            sound.append(file)
    return sound, refused


def _looks_like_weights(name: str) -> bool:
    return not name.casefold().endswith(_TEXTS)


def _is_single(name: str, folders: set[str]) -> bool:
    """A safetensors file that is no part of a folder in diffusers layout."""
    if not name.endswith(SUFFIX) or _PART_OF_MANY.search(name.removesuffix(SUFFIX)):
        return False
    return not any(name.startswith(each) and "/" in name[len(each) :] for each in folders)


def _stem(name: str, id: str) -> str:
    stem = name.rpartition("/")[2].removesuffix(SUFFIX)
    return id.rpartition("/")[2] if _GENERIC.fullmatch(stem) else stem


def _of_folder(found: Repository, place: str, sound: Sequence[HubFile]) -> Iterator[Choice]:
    """The folder as it is, and once more for each variant of its weights ("fp16")."""
    inside = {each.name[len(place) :]: each for each in sound if each.name.startswith(place)}
    parts = {name.partition("/")[0] for name in inside if name.count("/") == 1}
    parts -= set(_UNREAD)
    configs = [
        Wanted(file, name)
        for name, file in inside.items()
        if name == INDEX
        or (name.count("/") == 1 and name.partition("/")[0] in parts and name.endswith(CONFIGS))
    ]
    variants = sorted({variant for part in parts for variant in _weights(inside, part)} - {""})
    title = place.rstrip("/").rpartition("/")[2] or found.id.rpartition("/")[2]
    for variant in ("", *variants):
        files = [*configs, *_weights_of(inside, parts, variant)]
        large = next((each for each in configs if each.file.size > _MOST_CONFIG), None)
        problem = _folder_problem(inside, parts, variant)
        if large is not None:
            problem = f"{large.file.name} is too large for what it says it is"
        behind = f"({variant})" if variant else ""
        yield Choice(
            id=f"{place or './'}{behind}",
            label=f"{place or 'The whole model'}, as a folder{behind and ' '}{behind}",
            name=f"{title}-{variant}" if variant else title,
            folder=True,
            files=tuple(sorted(files, key=lambda each: each.target)),
            problem=problem,
        )


def _weights(inside: Mapping[str, HubFile], part: str) -> dict[str, HubFile]:
    """Variant -> the file that holds the part so; "" for the plain one."""
    if part not in WEIGHTS:
        return {}
    stem = f"{part}/{WEIGHTS[part].removesuffix(SUFFIX)}"
    pattern = re.compile(re.escape(stem) + r"(?:\.([A-Za-z0-9_]{1,20}))?" + re.escape(SUFFIX))
    found = ((pattern.fullmatch(name), file) for name, file in inside.items())
    return {match[1] or "": file for match, file in found if match}


def _weights_of(inside: Mapping[str, HubFile], parts: set[str], variant: str) -> Iterator[Wanted]:
    """Under the plain name, which is the one that is looked for; a part without it stays plain."""
    for part in sorted(parts):
        held = _weights(inside, part)
        if file := held.get(variant, held.get("")):
            yield Wanted(file, f"{part}/{WEIGHTS[part]}")


def _folder_problem(inside: Mapping[str, HubFile], parts: set[str], variant: str) -> str | None:
    for part in sorted(parts & WEIGHTS.keys()):
        held = _weights(inside, part)
        if variant in held or "" in held:
            continue
        others = [name for name in inside if name.startswith(f"{part}/")]
        if any(_PART_OF_MANY.search(name.rpartition(".")[0]) for name in others):
            return f"the weights of its {part} are in several files, which cannot be used yet"
        if any(name.endswith((".bin", ".ckpt", ".pt")) for name in others):
            return f"its {part} is there as a pickle only, which can run any code when it is opened"
        return f"its {part} has no weights in the form {WEIGHTS[part]}"
    return None if "unet" in parts else "it has no unet, so it is no model that can be used yet"
