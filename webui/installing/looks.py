"""What an extension is and asks for, before anything of it is installed: the straight line.

Its files lie beside where they would go, so that what is looked at is what is installed. None of
its code is run.
"""

import time
import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from webui import extension_ids
from webui.errors import ExtensionError
from webui.extensions import imports
from webui.extensions import manifest as manifests
from webui.extensions.manifest import Manifest
from webui.installing import records, trees
from webui.installing.errors import InstallError
from webui.installing.git import Commit, Git
from webui.installing.packages import Package, Pip, locked
from webui.installing.records import Record
from webui.installing.sources import Source
from webui.installing.trees import Read, Tree

Stage = Callable[[str], Callable[[int], None]]  # what begins -> is told its bytes

_MOST_MANIFEST = 2**14  # bytes


@dataclass(frozen=True, slots=True)
class Look:
    source: Source
    commit: Commit | None  # None of a folder
    manifest: Manifest
    digest: str
    files: int
    size: int  # bytes
    left_out: int  # hidden and compiled files
    packages: tuple[Package, ...]  # that would be fetched for it
    complaints: tuple[str, ...]  # what it imports that is not public
    problem: str  # why it cannot be installed all the same
    replaced: Record | None  # what is installed of it
    changes: tuple[Commit, ...] | None  # since that, the newest first; None: not known

    def record(self) -> Record:
        """Of its installation, now."""
        return Record(
            kind=self.source.kind,
            source=self.source.address,
            revision=self.source.revision,
            commit=self.commit.id if self.commit else "",
            digest=self.digest,
            version=self.manifest.version,
            time=time.time(),
            packages=tuple(each.pinned for each in self.packages),
        )


@dataclass(frozen=True, slots=True)
class Tools:
    git: Git
    pip: Pip
    place: Path  # where extensions are installed
    shipped: Collection[str]  # their ids

    def look(self, source: Source, update: str, work: Path, stage: Stage) -> Look:
        """Its files lie in `work`/ID then. `update`: the id that it must have, and is installed.

        Raises InstallError, NotSaved, OSError, and what `stage` raises.
        """
        told = stage("fetching")
        commit = None
        if source.kind == "folder":
            self._check_apart(Path(source.address))
            tree = trees.checked(trees.of_folder(Path(source.address)))
            manifest, digest = self._written(
                tree, trees.reader_of(Path(source.address)), update, work, stage("reading")
            )
        else:
            commit = self._commit(source, work, told)
            entries = self.git.entries(source, work, commit.id, told)
            with self.git.blobs(source, work) as blobs:
                manifest, digest = self._written(
                    tree := trees.checked(entries), blobs.read, update, work, stage("reading")
                )
        replaced = records.read(self.place / manifest.id) if update else None
        packages, problem = self._packages(manifest, work, stage)
        if replaced and replaced.digest == digest:
            problem = "this is what is installed already"
        return Look(
            source=source,
            commit=commit,
            manifest=manifest,
            digest=digest,
            files=len(tree.entries),
            size=tree.size,
            left_out=tree.left_out,
            packages=packages,
            complaints=tuple(imports.complaints(work / manifest.id)),
            problem=problem,
            replaced=replaced,
            changes=self._changes(source, replaced, commit, work, told),
        )

    def _commit(self, source: Source, work: Path, told: Callable[[int], None]) -> Commit:
        id = self.git.fetch(source, work, told)
        found = self.git.log(source, work, id, told)
        if not found:
            raise InstallError("its commit cannot be read")
        return found[0]

    def _written(
        self, tree: Tree, read: Read, update: str, work: Path, told: Callable[[int], None]
    ) -> tuple[Manifest, str]:
        if tree.manifest.size > _MOST_MANIFEST:  # a long one takes its reader hours
            most = f"{_MOST_MANIFEST // 1024} KiB"
            raise InstallError(f"{manifests.FILE} has more than {most}")
        id = _id_of(read(tree.manifest))
        self._check_id(id, update)
        digest = trees.write(tree, read, work / id, told)
        try:
            return manifests.read(work / id), digest
        except ExtensionError as error:
            raise InstallError(str(error).replace(f"{work}/", "")) from None

    def _check_id(self, id: str, update: str) -> None:
        if update and id != update:
            raise InstallError(f"it is called {id!r} now; to have that, remove {update!r} first")
        if id in self.shipped:
            raise InstallError(f"the id {id!r} is taken by an extension that ships with Darkroom")
        if update:
            return
        there = [each.name for each in self.place.iterdir()]
        if any(each.casefold() == id for each in there):
            record = records.read(self.place / id)
            if record:
                raise InstallError(f"{id!r} is installed already, from {record.source}; update it")
            raise InstallError(f"{self.place / id} is there already, put there by hand")

    def _check_apart(self, folder: Path) -> None:
        place = self.place.resolve()
        if folder.is_symlink() or not folder.is_dir():
            raise InstallError(f"{folder} is no folder of this computer")
        if place.is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(place):
            raise InstallError(f"{folder} has to do with where extensions are installed; copy it")

    def _packages(
        self, manifest: Manifest, work: Path, stage: Stage
    ) -> tuple[tuple[Package, ...], str]:
        """Those to be fetched, and why they cannot be."""
        if not manifests.missing(manifest, work / manifest.id):
            return (), ""
        others = [
            each for each in self.place.iterdir()
            if each.name[0] not in "._" and each.name != manifest.id and each.is_dir()
        ]  # fmt: skip
        told = stage("resolving")
        try:
            return self.pip.resolve(manifest.dependencies, locked(others), work, told), ""
        except InstallError as error:
            return (), str(error)

    def _changes(
        self,
        source: Source,
        replaced: Record | None,
        commit: Commit | None,
        work: Path,
        told: Callable[[int], None],
    ) -> tuple[Commit, ...] | None:
        if replaced is None or commit is None or not replaced.commit:
            return None
        # what was fetched is what leads to the new one: without the old one in it there is no log
        found = self.git.log(source, work, f"{replaced.commit}..{commit.id}", told)
        return None if found is None else tuple(found)


def _id_of(data: bytes) -> str:
    try:
        given = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InstallError(f"{manifests.FILE} cannot be read: {error}") from None
    id = given.get("id")
    if not isinstance(id, str):
        raise InstallError(f"{manifests.FILE}: id: must be text, got {str(id)[:80]!r}")
    if wrong := extension_ids.problem(id):
        raise InstallError(f"{manifests.FILE}: id: {wrong}")
    return id
