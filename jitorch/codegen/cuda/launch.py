"""How many threads a kernel is launched with: the page to read, and to change, for speed.

A GPU hides the time that memory takes behind other threads, so there should be enough of them, each
with several loads under way; but a block more than the GPU holds at once costs only its start. The
numbers depend on sizes alone and not on the GPU: a sum is the same on every GPU.

Every block is of whole warps (32 threads), and `threads[0]` is a power of two where lanes fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

WARP = 32
# Threads of a block that shares nothing: eight such blocks fill a multiprocessor of 2048 threads.
THREADS = 256
# The most threads that a block can have.
MOST_THREADS = 1024
# Neighbouring elements that a thread does at once: 16 bytes of float32, the widest access.
FOUR = 4
# The most blocks of a grid, beyond which its blocks take turns. In y the hardware has no more.
MOST_BLOCKS = 65_535
# Elements of a lane in a row that several lanes fold: few, as long as the row keeps a common block
# busy; in long rows many, so that the folds across the lanes stay a small part.
LANE = 4
LONG_LANE = 64
# Elements of one block of a split fold: 64 a thread, which sum in single without losing much.
PART = 64 * THREADS
# Elements of a part of a long line along which a fold runs: 64 rounds of a block.
LINE_PART = 64 * THREADS
# Bytes of shared memory that a block may have without asking for more.
SHARED = 48 * 1024
# Side of the squares that are turned in shared memory, and the rows of threads that do one.
SQUARE = 32
SQUARE_ROWS = 8
# Columns side by side in a block that folds columns: a line of memory of float32.
COLUMNS = 32
# Elements of a column for each of the threads that fold it together.
DEPTH = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """The blocks of a launch and the threads of each, in x and y."""

    blocks: tuple[int, int]
    threads: tuple[int, int]


class Work(Enum):
    """What the threads of an entry share out, by the sizes that say how much there is.

    ELEMENTS  (n)                       neighbouring elements, four to a thread
    LINES     (lines, width)            likewise, line by line
    SQUARES   (others, height, width)   squares of a matrix, or of `others` of them
    ROWS      (rows, width)             rows, each folded by the lanes of one block or less
    COLUMNS   (others, columns, depth)  columns, each folded by the threads above one another
    EACH      (n)                       one element or line to a thread
    LINE_PARTS  (lines, width)          parts of lines that are cut, a block each; else nothing
    LINE_TOTALS (lines, width)          likewise, a block for the parts of each line
    LINE_FOLDS  (lines, width)          parts of lines, or whole ones, a block each
    PARTS     (n)                       parts of a fold of everything, a block each
    TOTAL     (n)                       the results of the parts, in one block
    """

    ELEMENTS = "elements"
    LINES = "lines"
    SQUARES = "squares"
    ROWS = "rows"
    COLUMNS = "columns"
    EACH = "each"
    LINE_PARTS = "line parts"
    LINE_TOTALS = "line totals"
    LINE_FOLDS = "line folds"
    PARTS = "parts"
    TOTAL = "total"


def elements(n: int) -> Shape:
    return Shape((_blocks(n, FOUR * THREADS), 1), (THREADS, 1))


def lines(lines: int, width: int) -> Shape:
    wide = _power_of_two(_up(width, FOUR), THREADS)
    high = THREADS // wide
    return Shape((_blocks(width, FOUR * wide), _blocks(lines, high)), (wide, high))


def squares(others: int, height: int, width: int) -> Shape:
    count = others * _up(height, SQUARE) * _up(width, SQUARE)
    return Shape((_blocks(count, 1), 1), (SQUARE, SQUARE_ROWS))


def rows(rows: int, width: int) -> Shape:
    lanes = max(
        _power_of_two(_up(width, LANE), THREADS),
        _power_of_two(_up(width, LONG_LANE), MOST_THREADS),
    )
    # A row of more lanes than a warp has is folded in the block's shared memory, alone.
    together = max(THREADS // lanes, 1) if lanes <= WARP else 1
    return Shape((_blocks(rows, together), 1), (lanes, together))


def columns(others: int, columns: int, depth: int) -> Shape:
    high = _power_of_two(_up(depth, DEPTH), MOST_THREADS // COLUMNS)
    return Shape((_blocks(columns, COLUMNS), min(others, MOST_BLOCKS)), (COLUMNS, high))


def each(n: int) -> Shape:
    return Shape((_blocks(n, THREADS), 1), (THREADS, 1))


def line_parts(lines: int, width: int) -> Shape:
    if width <= LINE_PART:
        return Shape((0, 1), (THREADS, 1))
    return line_folds(lines, width)


def line_totals(lines: int, width: int) -> Shape:
    count = lines if width > LINE_PART else 0
    return Shape((_blocks(count, 1), 1), (THREADS, 1))


def line_folds(lines: int, width: int) -> Shape:
    threads = max(_power_of_two(width, THREADS), WARP)
    return Shape((_blocks(lines * _up(width, LINE_PART), 1), 1), (threads, 1))


def parts(n: int) -> Shape:
    return Shape((_up(n, PART), 1), (THREADS, 1))


def total(n: int) -> Shape:
    return Shape((1, 1), (_power_of_two(max(_up(_up(n, PART), LANE), WARP), MOST_THREADS), 1))


# The most threads that a block of each kind of work has: the compiler leaves them enough registers.
BOUNDS: Mapping[Work, int] = {
    work: MOST_THREADS if work in (Work.ROWS, Work.COLUMNS, Work.TOTAL) else THREADS
    for work in Work
}

SHAPES: Mapping[Work, Callable[..., Shape]] = {
    Work.ELEMENTS: elements,
    Work.LINES: lines,
    Work.SQUARES: squares,
    Work.ROWS: rows,
    Work.COLUMNS: columns,
    Work.EACH: each,
    Work.LINE_PARTS: line_parts,
    Work.LINE_TOTALS: line_totals,
    Work.LINE_FOLDS: line_folds,
    Work.PARTS: parts,
    Work.TOTAL: total,
}


def is_empty(shape: Shape) -> bool:
    """Whether there is nothing to launch."""
    return 0 in shape.blocks


def _up(n: int, size: int) -> int:
    return -(-n // size)


def _blocks(n: int, size: int) -> int:
    return min(_up(n, size), MOST_BLOCKS)


def _power_of_two(n: int, most: int) -> int:
    """Return the smallest power of two that is at least n, but no more than `most`."""
    return int(min(1 << max(n - 1, 0).bit_length(), most))
