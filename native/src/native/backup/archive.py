"""The file: a gzipped tar of the tables' rows, the configuration to read, and a manifest."""

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from native.refusals import BadUse, Refusal

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """One table's rows in the file, as COPY writes them."""

    name: str
    columns: list[str]
    rows: int
    sha256: str

    @property
    def member(self) -> str:
        return f"tables/{self.name}.copy"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file holds."""

    version: str
    made_at: str
    migrations: list[str]  # number, name and digest of each, in order
    tables: list[Table]  # in an order that foreign keys allow
    partitions: dict[str, list[str]]  # name -> parent and bounds
    sequences: dict[str, list[int]]  # name -> last value, whether it was given
    format: int = FORMAT

    @classmethod
    def read(cls, text: str) -> Self:
        stored: dict[str, Any] = json.loads(text)
        if stored.get("format") != FORMAT:
            raise Refusal(f"The backup has format {stored.get('format')}; this reads {FORMAT}.")
        return cls(**{**stored, "tables": [Table(**each) for each in stored["tables"]]})

    def write(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


def digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def write(target: Path, manifest: Manifest, folder: Path, documents: dict[str, str]) -> None:
    """Write the file beside its place, then move it there: a half one is never seen."""
    draft = target.with_name(f".{target.name}.new")
    draft.touch(mode=0o600)
    try:
        with (
            gzip.open(draft, "wb", compresslevel=5) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            _add(tar, _MANIFEST, manifest.write())
            for environment, document in documents.items():
                _add(tar, f"config/{environment}.json", document)
            for table in manifest.tables:
                tar.add(folder / table.name, table.member, filter=_anonymize)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(content), int(time.time()), 0o600
    tar.addfile(member, io.BytesIO(content))


def _anonymize(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


@contextlib.contextmanager
def opened(source: Path, folder: Path) -> Iterator[Manifest]:
    """Unpack the tables into the folder and compare each with the manifest."""
    try:
        with tarfile.open(source, "r:gz") as tar:
            stored = tar.extractfile(_MANIFEST)
            if stored is None:
                raise BadUse(f"{source} is no backup of Pitboss.")
            manifest = Manifest.read(stored.read().decode())
            for table in manifest.tables:
                content = tar.extractfile(table.member)
                with (folder / table.name).open("wb") as out:
                    while content is not None and (block := content.read(_BLOCK)):
                        out.write(block)
    except FileNotFoundError as error:
        raise BadUse(f"There is no file {source}.") from error
    except (OSError, EOFError, KeyError, ValueError, TypeError, tarfile.TarError) as error:
        raise BadUse(f"{source} is no whole backup of Pitboss: {error}") from error
    for table in manifest.tables:
        if digest(folder / table.name) != table.sha256:
            raise BadUse(f"{source} is damaged: the rows of {table.name} are not what was saved.")
    yield manifest
