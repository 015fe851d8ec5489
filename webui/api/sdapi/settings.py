"""A1111's settings as far as they do something here: for the calls of this API, and for them alone.

The page's forms say all of this themselves, and are not touched. Kept over restarts.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from webui.api.sdapi import checkpoints, reading
from webui.errors import InvalidRequest, NotSaved
from webui.fields import AUTOMATIC_VAE, FIELDS, shown
from webui.services import Services
from webui.small_files import SmallFileError, json_object

_MOST = 2**20  # bytes of the file
_FORMATS = {"jpeg": "jpg"}  # A1111's names of formats, where they differ from ours
_RNG = {"cpu": "CPU", "nv": "NV"}
_EMPHASIS = {"original": "Original", "no norm": "No norm", "ignore": "Ignore", "none": "None"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What `read` gives is kept, and is what GET /options says."""

    default: Any
    read: Callable[[str, Any], Any]
    field: str | None = None  # of the request, that it fills


def _spelled(words: Mapping[str, str], name: str, value: object) -> str:
    for ours, theirs in words.items():
        if isinstance(value, str) and value.casefold() in (ours, theirs.casefold()):
            return theirs
    raise InvalidRequest(name, f"must be one of {', '.join(words.values())}, got {shown(value)}")


def _rng(name: str, value: object) -> str:
    return "NV" if value == "GPU" else _spelled(_RNG, name, value)


def _checked(field: str, read: Callable[[str, Any], Any], name: str, value: Any) -> Any:
    found = read(name, value)
    try:
        FIELDS[field].check(found)
    except InvalidRequest as error:
        raise InvalidRequest(name, error.problem) from None
    return found


VAE = "sd_vae"
_eta = partial(_checked, "sampling.eta", reading.number)
# eta's, of which a sampler takes the one that A1111 has for it
SETTINGS: Mapping[str, Setting] = {
    "CLIP_stop_at_last_layers": Setting(
        1, partial(_checked, "clip_skip", reading.whole), "clip_skip"
    ),
    VAE: Setting(AUTOMATIC_VAE, reading.text, "vae"),
    "eta_ancestral": Setting(1.0, _eta),
    "eta_ddim": Setting(0.0, _eta),
    "s_churn": Setting(
        0.0, partial(_checked, "sampling.s_churn", reading.number), "sampling.s_churn"
    ),
    "s_tmin": Setting(0.0, partial(_checked, "sampling.s_tmin", reading.number), "sampling.s_tmin"),
    "s_noise": Setting(
        1.0, partial(_checked, "sampling.s_noise", reading.number), "sampling.s_noise"
    ),
    "randn_source": Setting("CPU", _rng, "rng"),
    "emphasis": Setting("Original", partial(_spelled, _EMPHASIS), "emphasis"),
    "initial_noise_multiplier": Setting(
        1.0,
        partial(_checked, "init.noise_multiplier", reading.number),
        "init.noise_multiplier",
    ),
    "img2img_fix_steps": Setting(False, reading.flag, "init.exact_steps"),
    "return_grid": Setting(True, reading.flag),
    "send_seed": Setting(True, reading.flag),  # clients write and read it back
}
CHECKPOINT = "sd_model_checkpoint"
_FIXED = ("sd_checkpoint_hash", "samples_format", "grid_format")  # said, never set


class Chosen:
    """What was set, and what one call overrides. Any thread may call."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._path: Path = services.settings.data_dir / "sdapi.json"
        self._lock = threading.Lock()
        self._set: dict[str, Any] = self._kept()

    def all(self) -> dict[str, Any]:
        """As GET /options says them."""
        entry = checkpoints.current(self._services.library, self.model)
        digest = checkpoints.known_hash(self._services.library, entry) if entry else ""
        wanted = self._services.settings.image_format
        written = _FORMATS.get(wanted, wanted)
        return {
            CHECKPOINT: checkpoints.title(self._services.library, entry) if entry else None,
            "sd_checkpoint_hash": digest or None,
            "samples_format": written,
            "grid_format": written,
            **{name: self._set.get(name, each.default) for name, each in SETTINGS.items()},
        }

    @property
    def model(self) -> str | None:
        """The name of the chosen model, if one was chosen."""
        return self._set.get(CHECKPOINT)

    def read(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Those that are known, as they are kept, and the names of the others. Raises
        InvalidRequest for a value that cannot be, and for another one of what is fixed."""
        now = self.all()
        found: dict[str, Any] = {}
        for name, value in values.items():
            if name == CHECKPOINT:
                if value:  # null and "": the one that is chosen
                    found[name] = checkpoints.find(self._services.library, name, value)
            elif name == VAE and value is not None:
                found[name] = checkpoints.find_vae(self._services.library, name, value)
            elif name in _FIXED:
                if value not in (None, now[name]) and name != "sd_checkpoint_hash":
                    raise InvalidRequest(
                        name, f"is {now[name]} since the server's start (--image-format)"
                    )
            elif name in SETTINGS and value is not None:
                found[name] = SETTINGS[name].read(name, value)
        known = (CHECKPOINT, *_FIXED, *SETTINGS)
        return found, [name for name in values if name not in known]

    def with_overrides(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """What is set, for one call. `overrides` come from `read`."""
        return {**self._set, **overrides}

    def set(self, values: Mapping[str, Any]) -> None:
        """`values` come from `read`. Raises NotSaved."""
        with self._lock:
            changed = {**self._set, **values}
            if changed == self._set:
                return
            part = self._path.with_suffix(".part")
            try:
                part.write_text(json.dumps(changed), "utf-8")
                part.replace(self._path)
            except OSError as error:
                raise NotSaved(
                    f"{self._path} cannot be written: {error.strerror or error}"
                ) from error
            self._set = changed

    def _kept(self) -> dict[str, Any]:
        """What another version or a person wrote and cannot be meant is left out."""
        try:
            values = json_object(self._path, _MOST)
        except (OSError, SmallFileError):
            return {}
        found: dict[str, Any] = {}
        for name, value in values.items():
            try:
                if name == CHECKPOINT and isinstance(value, str):
                    found[name] = value
                elif name in SETTINGS:
                    found[name] = SETTINGS[name].read(name, value)
            except InvalidRequest:
                continue
        return found
