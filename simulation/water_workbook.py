"""The water service's spreadsheets, as its tools export them: a title above the table, real dates, one sheet.

Belongs here: writing a workbook whose bytes depend on its content alone. Does not: any tool's columns.
"""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import TYPE_CHECKING

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DATE, _DATE_TIME = "dd/mm/yyyy", "dd/mm/yyyy hh:mm"


def write_workbook(
    path: Path, sheet: str, above: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[object]], made: date
) -> None:
    """One sheet: the lines `above`, one cell each, then the header, then the rows.

    Args:
        path: file to write.
        sheet: name of the sheet.
        above: titles over the table.
        header: column names.
        rows: cells; dates and instants become real dates of the workbook, None an empty cell.
        made: date of creation in the file's properties.
    """
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        # The only clock in the file: xlsxwriter would write the time of day.
        book.set_properties({"created": datetime(made.year, made.month, made.day)})  # noqa: DTZ001
        page = book.add_worksheet(sheet)
        forms = {date: book.add_format({"num_format": _DATE}), datetime: book.add_format({"num_format": _DATE_TIME})}
        for number, text in enumerate(above):
            page.write_string(number, 0, text)
        page.write_row(len(above), 0, header)
        for number, row in enumerate(rows, start=len(above) + 1):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    page.write_datetime(number, column, cell, forms[type(cell)])
                elif cell is not None:
                    page.write(number, column, cell)
    path.write_bytes(buffer.getvalue())
