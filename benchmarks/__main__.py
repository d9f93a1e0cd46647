"""`make bench`: run every benchmark, print the table, write `$DATANEVERS_HOME/bench.json`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks import catalogue, data_api, formats, lorawan_jsonl, observations
from benchmarks.measure import Result, write
from lake.home import home


def main() -> None:
    """Run all; the table says what each is measured against."""
    home().mkdir(parents=True, exist_ok=True)
    at = home()
    results: list[Result] = [
        lorawan_jsonl.run(at),
        *formats.run(at),
        *observations.run(at),
        *catalogue.run(at),
        *data_api.run(at),
    ]
    table = Table("name", "value", "unit", "ratio", "peak MB", "against", box=None)
    for r in results:
        value = f"{r.value:,.0f}" if r.value >= 100 else f"{r.value:,.2f}"
        table.add_row(r.name, value, r.unit, f"{r.ratio:.2f}", f"{r.peak_mb:,.0f}", r.limit)
    Console().print(table)
    write(results, home() / "bench.json")


if __name__ == "__main__":
    main()
