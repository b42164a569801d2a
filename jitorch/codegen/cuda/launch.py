"""How many threads a kernel is launched with: the page to read, and to change, for speed.

A GPU hides the time that memory takes behind other threads, so there should be enough of them, each
with several loads under way; but a block more than the GPU holds at once costs only its start. The
numbers depend on sizes alone and not on the GPU: a sum is the same on every GPU.

Every block is of whole warps (32 threads), and `threads[0]` is a power of two where lanes fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
# Columns side by side in a block that folds columns: a line of memory of float32.
COLUMNS = 32
# Elements of a column for each of the threads that fold it together.
DEPTH = 8
# Elements of a thread in a part of a row or column that is cut: few, so that one row of a million
# keeps all multiprocessors busy, but some rounds for each fold across the block. What a part is
# follows: a block's worth of a row, or of 32 columns side by side.
PART_LANE = 32
PART = PART_LANE * THREADS
PART_ROWS = PART // COLUMNS
# Elements of a part of a long line along which a fold runs: 64 rounds of a block.
LINE_PART = 64 * THREADS
# Bytes of shared memory that a block may have without asking for more.
SHARED = 48 * 1024
# Side of the squares that are turned in shared memory, and the rows of threads that do one.
SQUARE = 32
SQUARE_ROWS = 8
# When rows and columns are cut. An H100 has 132 multiprocessors for 2048 threads each. Reckoned, not
# measured: it takes 0.7 us until a load is there, so half of those threads, each with 16 bytes under
# way, read 3 TB a second, which is what its memory gives. More threads than that gain little.
BUSY = 128 * 1024
# By how many elements a thread's share has to shrink: sixteen rounds of four elements are some 11 us,
# the two launches that a pass in parts takes 6.
SPARED = 64


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
    EACH      (n)                       one element or line to a thread
    LINE_PARTS  (lines, width)          parts of lines that are cut, a block each; else nothing
    LINE_TOTALS (lines, width)          likewise, a block for the parts of each line
    LINE_FOLDS  (lines, width)          parts of lines, or whole ones, a block each

    Rows and columns that are folded, of so many lines each, are done whole or in parts:

    ROWS        (rows, lines, width)    rows, each folded by the lanes of one block or less
    ROW_PARTS   (rows, lines, width)    parts of rows, a block each
    ROW_TOTALS  (rows, lines, width)    the results of the parts of a row, a block each
    COLUMNS        (others, columns, lines, depth)  columns, each folded by the threads above one
                                                    another
    COLUMN_PARTS   (others, columns, lines, depth)  parts of columns side by side, a block each
    COLUMN_TOTALS  (others, columns, lines, depth)  the results of the parts of a column, a block each
    """

    ELEMENTS = "elements"
    LINES = "lines"
    SQUARES = "squares"
    EACH = "each"
    LINE_PARTS = "line parts"
    LINE_TOTALS = "line totals"
    LINE_FOLDS = "line folds"
    ROWS = "rows"
    ROW_PARTS = "row parts"
    ROW_TOTALS = "row totals"
    COLUMNS = "columns"
    COLUMN_PARTS = "column parts"
    COLUMN_TOTALS = "column totals"


NOTHING = Shape((0, 1), (WARP, 1))


def elements(n: int) -> Shape:
    return Shape((_blocks(n, FOUR * THREADS), 1), (THREADS, 1))


def lines(lines: int, width: int) -> Shape:
    wide = _power_of_two(_up(width, FOUR), THREADS)
    high = THREADS // wide
    return Shape((_blocks(width, FOUR * wide), _blocks(lines, high)), (wide, high))


def squares(others: int, height: int, width: int) -> Shape:
    count = others * _up(height, SQUARE) * _up(width, SQUARE)
    return Shape((_blocks(count, 1), 1), (SQUARE, SQUARE_ROWS))


def each(n: int) -> Shape:
    return Shape((_blocks(n, THREADS), 1), (THREADS, 1))


def line_parts(lines: int, width: int) -> Shape:
    return line_folds(lines, width) if width > LINE_PART else NOTHING


def line_totals(lines: int, width: int) -> Shape:
    count = lines if width > LINE_PART else 0
    return Shape((_blocks(count, 1), 1), (THREADS, 1))


def line_folds(lines: int, width: int) -> Shape:
    threads = max(_power_of_two(width, THREADS), WARP)
    return Shape((_blocks(lines * _up(width, LINE_PART), 1), 1), (threads, 1))


# Rows and columns: whole, or in parts.


def is_cut(points: int, elements: int, lanes: int) -> bool:
    """Whether folds of so many elements at each point, by so many lanes, are cut in parts."""
    own = elements // lanes
    shared = max(points * elements // BUSY, PART_LANE)
    return own - shared >= SPARED


def parts_of(lines: int, length: int, part: int) -> int:
    """Return in how many parts a range is cut: pieces of its lines, or several whole lines each."""
    group = max(part // max(length, 1), 1)
    return _up(length, part) * _up(lines, group)


def row_lanes(width: int) -> int:
    return max(
        _power_of_two(_up(width, LANE), THREADS),
        _power_of_two(_up(width, LONG_LANE), MOST_THREADS),
    )


def cut_rows(rows: int, lines: int, width: int) -> bool:
    return is_cut(rows, lines * width, row_lanes(width))


def rows(rows: int, lines: int, width: int) -> Shape:
    if cut_rows(rows, lines, width):
        return NOTHING
    lanes = row_lanes(width)
    # A row of more lanes than a warp has is folded in the block's shared memory, alone.
    together = max(THREADS // lanes, 1) if lanes <= WARP else 1
    return Shape((_blocks(rows, together), 1), (lanes, together))


def row_parts(rows: int, lines: int, width: int) -> Shape:
    if not cut_rows(rows, lines, width):
        return NOTHING
    wide = _power_of_two(_up(min(width, PART), FOUR), THREADS)
    units = rows * parts_of(lines, width, PART)
    return Shape((_blocks(units, 1), 1), (wide, THREADS // wide))


def row_totals(rows: int, lines: int, width: int) -> Shape:
    if not cut_rows(rows, lines, width):
        return NOTHING
    return _totals(rows, parts_of(lines, width, PART))


def column_lanes(depth: int) -> int:
    return _power_of_two(_up(depth, DEPTH), MOST_THREADS // COLUMNS)


def cut_columns(others: int, columns: int, lines: int, depth: int) -> bool:
    return is_cut(others * columns, lines * depth, column_lanes(depth))


def columns(others: int, columns: int, lines: int, depth: int) -> Shape:
    if cut_columns(others, columns, lines, depth):
        return NOTHING
    blocks = (_blocks(columns, COLUMNS), min(others, MOST_BLOCKS))
    return Shape(blocks, (COLUMNS, column_lanes(depth)))


def column_parts(others: int, columns: int, lines: int, depth: int) -> Shape:
    if not cut_columns(others, columns, lines, depth):
        return NOTHING
    wide = _power_of_two(columns, COLUMNS)
    units = others * _up(columns, wide) * parts_of(lines, depth, PART_ROWS)
    return Shape((_blocks(units, 1), 1), (wide, THREADS // wide))


def column_totals(others: int, columns: int, lines: int, depth: int) -> Shape:
    if not cut_columns(others, columns, lines, depth):
        return NOTHING
    return _totals(others * columns, parts_of(lines, depth, PART_ROWS))


def _totals(points: int, parts: int) -> Shape:
    lanes = _power_of_two(max(_up(parts, LANE), WARP), MOST_THREADS)
    return Shape((_blocks(points, 1), 1), (lanes, 1))


# The most threads that a block of each kind of work has: the compiler leaves them enough registers.
_LARGE = (Work.ROWS, Work.ROW_TOTALS, Work.COLUMNS, Work.COLUMN_TOTALS)
BOUNDS: Mapping[Work, int] = {work: MOST_THREADS if work in _LARGE else THREADS for work in Work}

SHAPES: Mapping[Work, Callable[..., Shape]] = {
    Work.ELEMENTS: elements,
    Work.LINES: lines,
    Work.SQUARES: squares,
    Work.EACH: each,
    Work.LINE_PARTS: line_parts,
    Work.LINE_TOTALS: line_totals,
    Work.LINE_FOLDS: line_folds,
    Work.ROWS: rows,
    Work.ROW_PARTS: row_parts,
    Work.ROW_TOTALS: row_totals,
    Work.COLUMNS: columns,
    Work.COLUMN_PARTS: column_parts,
    Work.COLUMN_TOTALS: column_totals,
}


def is_empty(shape: Shape) -> bool:
    """Whether there is nothing to launch."""
    return 0 in shape.blocks


# The parts that a launch leaves results of, one after another, and the points that they belong to.
ROOM: Mapping[Work, Callable[..., tuple[int, int]]] = {
    Work.LINE_PARTS: lambda lines, width: (lines * _up(width, LINE_PART), lines),
    Work.ROW_PARTS: lambda rows, lines, width: (rows * parts_of(lines, width, PART), rows),
    Work.COLUMN_PARTS: lambda others, columns, lines, depth: (
        others * columns * parts_of(lines, depth, PART_ROWS),
        others * columns,
    ),
}


def room(works: Iterable[Work], sizes: Sequence[int]) -> tuple[int, int]:
    """Return for how many parts and points the entries of a kernel leave results in memory."""
    found = (
        ROOM[work](*sizes) for work in works if not is_empty(SHAPES[work](*sizes)) and work in ROOM
    )
    return next(found, (0, 0))


def _up(n: int, size: int) -> int:
    return -(-n // size)


def _blocks(n: int, size: int) -> int:
    return min(_up(n, size), MOST_BLOCKS)


def _power_of_two(n: int, most: int) -> int:
    """Return the smallest power of two that is at least n, but no more than `most`."""
    return int(min(1 << max(n - 1, 0).bit_length(), most))
