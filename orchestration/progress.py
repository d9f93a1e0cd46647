"""What a long command shows while it works.

Belongs here: one listener that the command line sets and the steps call. Does not: results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]  # label, done, total (0 when unknown)

_listeners: list[Listener] = []


def tell(label: str, done: int = 0, total: int = 0) -> None:
    """Say where a step is; nothing happens when nobody listens."""
    for listener in _listeners:
        listener(label, done, total)


@contextmanager
def shown() -> Iterator[None]:
    """Draw progress on stderr while the block runs."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def draw(label: str, done: int, total: int) -> None:
            for other, task in tasks.items():
                if other != label:
                    bar.update(task, visible=False)
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=total or None)
            bar.update(tasks[label], completed=done, total=total or None, visible=True)

        _listeners.append(draw)
        try:
            yield
        finally:
            _listeners.remove(draw)
