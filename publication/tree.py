"""The published tree and its atomic replacement.

Belongs here: folders, hard links, fsync and the one symbolic link that readers follow. Does not: what the files say.

`<home>/publication` is a symbolic link to `<home>/.publications/<n>`. A new tree is built beside the current one, files
that did not change being hard links, so it costs only what changed; it is flushed to disk, then the link is replaced
in one rename. A reader sees the old tree or the new one, never a mixture, and downloads in course go on: the previous
tree stays until the next swap. After a crash at any point the link still names a whole tree, and the next run removes
what was left behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lake.home import home, publication_dir
from publication.state import STATE_FILE, State, TreeFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Longer than any publication measured; a process that waits longer is told who to look for.
LOCK_SECONDS = 900
_SCRATCH = "scratch"


class TreeError(Exception):
    """The published tree cannot be replaced; the message says what is in the way and what to do."""


@dataclass(frozen=True)
class NewFile:
    """A file of the tree to be: its bytes, or a file on disk to move in, or None for the current tree's own file."""

    content: bytes | Path | None
    sha256: str
    bytes: int


def from_bytes(content: bytes) -> NewFile:
    """A small file held in memory: a page, a schema, a catalogue."""
    return NewFile(content, hashlib.sha256(content).hexdigest(), len(content))


def from_path(path: Path) -> NewFile:
    """A file just written, hashed without loading it."""
    with path.open("rb") as stream:
        return NewFile(path, hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)


@contextmanager
def publishing() -> Iterator[Path]:
    """Hold the publication lock, tidy up after earlier crashes, and lend a scratch folder on the tree's file system.

    Raises:
        TreeError: when another process holds the lock for `LOCK_SECONDS`, or `publication` is somebody else's link.
    """
    from filelock import FileLock, Timeout

    _trees().mkdir(parents=True, exist_ok=True)
    lock = FileLock(home() / "publication.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        minutes = LOCK_SECONDS // 60
        msg = f"{lock.lock_file}: another process has been publishing for {minutes} minutes; end it, then retry"
        raise TreeError(msg) from error
    try:
        _adopt()
        _sweep(keep=_previous())
        scratch = _trees() / _SCRATCH
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch)
    finally:
        lock.release()


def intact(tree: Path, path: str, known: Mapping[str, TreeFile]) -> bool:
    """Whether a file the manifest lists is still there, whole."""
    file = tree / path
    return path in known and file.is_file() and file.stat().st_size == known[path].bytes


def replace(before: State, after: State, files: Mapping[str, NewFile]) -> bool:
    """Make `files` and the manifest `after` the published tree; False when they already are.

    `after.files` is filled in here. Call within `publishing()`.
    """
    current = publication_dir()
    listed = {path: TreeFile(sha256=new.sha256, bytes=new.bytes) for path, new in sorted(files.items())}
    after = after.model_copy(update={"files": listed})
    same = {p for p, f in listed.items() if before.files.get(p) == f and intact(current, p, before.files)}
    if same == set(listed) and after == before:
        return False
    number = _number(current) + 1
    tree = _trees() / str(number)
    tree.mkdir()
    for path, new in files.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _place(new, target, current / path if path in same else None)
    # Last, and whole or not at all: a tree with a manifest is a complete one (see _adopt).
    unfinished = tree / f"{STATE_FILE}.tmp"
    _write(unfinished, after.dump())
    unfinished.rename(tree / STATE_FILE)
    for folder, _, _ in os.walk(tree):
        _flush(Path(folder))
    _flush(_trees())
    _point_to(tree)
    _sweep(keep=number - 1)
    return True


def _place(new: NewFile, target: Path, unchanged: Path | None) -> None:
    """Put one file in the tree: a hard link when it did not change, so its time and inode stay too."""
    if unchanged is not None:
        try:
            os.link(unchanged, target)
        except OSError:  # a file system without hard links
            shutil.copy2(unchanged, target)
            _flush(target)
    elif isinstance(new.content, bytes):
        _write(target, new.content)
    elif isinstance(new.content, Path):
        new.content.replace(target)
        _flush(target)
    else:
        msg = f"{target}: to be kept from the current tree, which no longer has it"
        raise FileNotFoundError(msg)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    _flush(path)


def _flush(path: Path) -> None:
    """Force a file or folder to disk: after the swap a power cut must not leave an empty file behind a good name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _point_to(tree: Path) -> None:
    """Swap the link. The target is relative: the home may be moved or restored elsewhere."""
    link = home() / ".publication.next"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(_trees().name) / tree.name, target_is_directory=True)
    link.replace(publication_dir())
    _flush(home())


def _trees() -> Path:
    return home() / ".publications"


def _number(tree: Path) -> int:
    """Number of the tree a link names; 0 when there is none."""
    if not tree.is_symlink():
        return 0
    target = tree.readlink()
    if target.parent.name != _trees().name or not target.name.isdigit():
        msg = f"{tree} is a link to {target}, which no publication made; remove the link, then publish again"
        raise TreeError(msg)
    return int(target.name)


def _numbers() -> list[int]:
    return sorted(int(path.name) for path in _trees().iterdir() if path.name.isdigit())


def _previous() -> int:
    """The newest tree older than the current one."""
    current = _number(publication_dir())
    return max((number for number in _numbers() if number < current), default=0)


def _adopt() -> None:
    """Turn a plain folder (a restored backup) into a tree behind the link.

    The only moment without a published tree, for the time of two renames; a crash between them is made good here too:
    no link, yet a complete tree.
    """
    published = publication_dir()
    if published.is_symlink():
        return
    if published.is_dir():
        published.rename(_trees() / str(max(_numbers(), default=0) + 1))
    complete = [number for number in _numbers() if (_trees() / str(number) / STATE_FILE).is_file()]
    if complete:
        _point_to(_trees() / str(complete[-1]))


def _sweep(keep: int) -> None:
    """Remove every tree but the current one and `keep`: old ones, and those a crash left half built."""
    wanted = {str(_number(publication_dir())), str(keep), _SCRATCH}
    for path in _trees().iterdir():
        if path.name not in wanted:
            shutil.rmtree(path)
