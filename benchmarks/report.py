"""What a benchmark prints: a table for people, and one line of JSON at the very end for machines."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their longest cell; words to the left, figures to the right."""
    cells = [[_shown(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for number, row in enumerate(cells):
        print(
            "  ".join(
                _aligned(cell, width, column) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
        if number == 0:
            print("  ".join("-" * width for width in widths))


def print_figures(figures: Mapping[str, Any]) -> None:
    """The last line of the output."""
    print(json.dumps({name: _rounded(figure) for name, figure in figures.items()}), flush=True)


def _shown(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _rounded(figure: Any) -> Any:
    return round(figure, 3) if isinstance(figure, float) else figure
