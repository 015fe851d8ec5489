"""What lies under models/, as cards and lists show it: one shape for every kind of file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from webui import model_settings
from webui.embeddings import EmbeddingEntry
from webui.files import printable, stamp
from webui.library import ModelEntry, Report, VaeEntry, fits, needed, plan_of
from webui.library.structure import mistaken
from webui.loras import FAMILIES, LoraEntry
from webui.safetensors_header import HeaderError, read
from webui.services import Services
from webui.sidecars import Sidecar
from webui.upscalers import UpscalerFile
from webui.weight_files import SUFFIX

_AT_ONCE = 0.4  # seconds of reading LoRAs, when a list is asked for
SHELF = "api/v1/shelf/"  # relative, so that it works below any path
_WIDTHS: Mapping[tuple[tuple[str, int], ...], str] = {  # of an embedding's vectors
    (("", 768),): "sd1",
    (("", 1024),): "sd2",
    (("clip_g", 1280), ("clip_l", 768)): "sdxl",
    (("", 1280),): "refiner",
}

Row = dict[str, Any]


class _Item(NamedTuple):
    path: Path
    row: Row


class ShelfView:
    """Any thread may call."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sidecars = services.sidecars
        self._roots = services.settings.models_dirs
        self._other: dict[tuple[Path, tuple[int, int]], str | None] = {}
        self._kinds: Mapping[str, Callable[[ModelEntry | None], list[_Item]]] = {
            "checkpoints": self._checkpoints,
            "vaes": self._vaes,
            "loras": self._loras,
            "embeddings": self._embeddings,
            "upscalers": self._upscalers,
        }

    @property
    def kinds(self) -> list[str]:
        return list(self._kinds)

    def rows(self, kind: str, model: ModelEntry | None) -> list[Row]:
        """By name. `misfit` is why `model` cannot use one that is all right in itself."""
        items = self._kinds[kind](model)
        beside = self._sidecars.of(item.path for item in items)
        return [{**self._common(item), **_told(kind, item, beside[item.path])} for item in items]

    def picture(self, kind: str, name: str) -> Path | None:
        """Of the preview beside the file of that name; None if there is none."""
        paths = [item.path for item in self._kinds[kind](None) if item.row["name"] == name]
        found = self._sidecars.of(paths)
        return next((each.picture for each in found.values() if each.picture), None)

    def _common(self, item: _Item) -> Row:
        place = self._place(item.path)
        return {
            "file": printable(place.as_posix()),
            "folder": printable("/".join(place.parts[1:-1])),  # inside that of its kind
            "modified": stamp(item.path)[0] / 1e9,
            "base": FAMILIES.get(item.row["family"], ""),
            **item.row,
        }

    def _place(self, path: Path) -> Path:
        """Inside the folder of models that it lies in."""
        for root in self._roots:
            for home in (root, root.parent):  # A1111's embeddings lie beside models/
                if path.is_relative_to(home):
                    return path.relative_to(home)
        return Path(path.parent.name, path.name)

    def _checkpoints(self, model: ModelEntry | None) -> list[_Item]:
        library, state = self._services.library, self._services.backend.state()
        hello, weight_bytes = state.hello, int(state.hello.get("weight_bytes", 0))
        memory = int(hello.get("memory", 0))
        default, entries = library.default(), library.entries()
        suited = model_settings.said(self._sidecars, self._services.registry, entries)

        def item(entry: ModelEntry) -> _Item:
            report = entry.report
            known = report.weights and weight_bytes
            row = _row(
                entry.name,
                entry.size_bytes or stamp(entry.path)[1],
                entry.problem,
                family=report.family or entry.family,
                precision=report.precision,
                prediction=report.prediction,
                zero_terminal_snr=report.zero_terminal_snr,
                layout=entry.layout,
                kind=report.kind,
                parts=list(report.parts),
                vae=report.vae,
                notes=list(report.notes),
                native_size=[entry.native_width, entry.native_height],
                hash=library.known_hash(entry) if entry.problem is None else "",
                memory_bytes=needed(report, weight_bytes) if known else None,
                fits=fits(report, weight_bytes, memory) if known else None,
                plan=_plan(report, hello) if known else None,
                default=entry.name == default,
                settings=suited[entry.path],
                unread=entry.unread,
            )
            return _Item(entry.path, row)

        return [item(entry) for entry in entries]

    def _vaes(self, model: ModelEntry | None) -> list[_Item]:
        def item(entry: VaeEntry) -> _Item:
            misfit = entry.misfit(model) if model and not entry.problem else None
            row = _row(
                entry.name, entry.size_bytes, entry.problem, misfit, precision=entry.precision
            )
            return _Item(entry.path, row)

        return [item(entry) for entry in self._services.library.vae_reports()]

    def _loras(self, model: ModelEntry | None) -> list[_Item]:
        def item(entry: LoraEntry) -> _Item:
            misfit = entry.misfit(model) if model and not entry.problem else None
            row = _row(
                entry.name,
                entry.size_bytes,
                entry.problem,
                misfit=misfit,
                family=entry.family,
                precision=entry.precision,
                title=entry.title,
                kinds=list(entry.kinds),
                rank=entry.rank,
                networks=list(entry.networks),
                notes=list(entry.notes),
                trigger_words=list(entry.trigger_words),
                hash=entry.hash,
                unread=entry.unread,
            )
            return _Item(entry.path, row)

        return [item(entry) for entry in self._services.loras.within(_AT_ONCE)]

    def _embeddings(self, model: ModelEntry | None) -> list[_Item]:
        widths = model.token_widths if model else {}

        def item(entry: EmbeddingEntry) -> _Item:
            mine = tuple(sorted((name, part.width) for name, part in entry.parts.items()))
            problem = entry.problem and (self._other_kind(entry.path, "embedding") or entry.problem)
            row = _row(
                entry.name,
                entry.size_bytes,
                problem,
                misfit=entry.misfit(widths) if model and not problem else None,
                family=_WIDTHS.get(mine, ""),
                vectors=entry.vectors,
            )
            return _Item(entry.path, row)

        return [item(entry) for entry in self._services.embeddings.entries()]

    def _upscalers(self, model: ModelEntry | None) -> list[_Item]:
        def item(entry: UpscalerFile) -> _Item:
            problem = entry.problem and (self._other_kind(entry.path, "upscaler") or entry.problem)
            row = _row(
                entry.name,
                entry.size_bytes,
                problem,
                scale=entry.scale,
                architecture=entry.layout.architecture if entry.layout else "",
            )
            return _Item(entry.path, row)

        return [item(entry) for entry in self._services.upscalers.files()]

    def _other_kind(self, path: Path, wanted: str) -> str | None:
        """What a file with a problem is instead, if that is known."""
        if path.suffix.casefold() != SUFFIX:
            return None
        key = (path, stamp(path))
        if key not in self._other:
            try:
                self._other[key] = mistaken(read(path), wanted)
            except (HeaderError, OSError):
                self._other[key] = None
        return self._other[key]


def _row(
    name: str, size_bytes: int, problem: str | None, misfit: str | None = None, **more: Any
) -> Row:
    common = {"name": name, "size_bytes": size_bytes, "problem": problem, "misfit": misfit}
    return {**common, "family": "", "precision": "", "hash": "", "notes": [], **more}


def _plan(report: Report, hello: Mapping[str, Any]) -> Row | None:
    """What lives where while pictures are made, without the parts one by one."""
    made = plan_of(report, hello)
    if made is None:
        return None
    return {"offload": made.offload, "fits": made.fits, "text": made.text}


def _told(kind: str, item: _Item, beside: Sidecar) -> Row:
    """What lies beside it says; the trigger words of a user's own text go before the trainer's."""
    words = beside.words
    query = f"?name={quote(item.row['name'], safe='')}&v={beside.version}"
    return {
        "preview": f"{SHELF}{kind}/preview{query}" if beside.picture else None,
        "trigger_words": list(words.trigger_words) or item.row.get("trigger_words", []),
        "description": words.description,
        "negative_text": words.negative,
        "weight": words.weight,
        "remarks": words.notes,
    }
