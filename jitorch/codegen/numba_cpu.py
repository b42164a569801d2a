"""Kernels as Numba source for the CPU: one statement per line, the user's line at its end.

    def fused_844e97b2c3ac(args, lo, hi):
        p_x = arg_ptr_f32(args, 0)
        p_y = arg_ptr_f32(args, 1)
        for i in range(lo, hi):
            x = load(p_x, i)  # model.py:12
            y = tanh(x)  # model.py:12
            store(p_y, i, y)  # model.py:12

The names are those of `codegen/intrinsics.py` and `codegen/vecmath`. A kernel is named for its
text, which holds no absolute path: equal programs share the cache.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from jitorch.codegen.kernel import (
    Axis,
    Fold,
    Kernel,
    Layout,
    Let,
    Load,
    Pass,
    Slot,
    Statement,
    Store,
)
from jitorch.codegen.writer import (
    SourceWriter,
    lies_across,
    needed,
    renamed,
    used,
    varying,
)

# Rounding folds are cut in blocks of this many elements, whose results are summed in double: as
# accurate as NumPy's pairwise sums, and each block keeps the vector width of its dtype.
FOLD_BLOCK = 1024
# The elements of one block of a split kernel: one unit of work for a thread.
SPLIT_BLOCK = 8192
# Height and width of the squares that are turned in working memory where operands lie across the
# loops: each line of memory is read once. Rows of 64 fill the vectors of an unrolled loop; 32 do not.
SQUARE = 64
# Columns whose accumulators are kept at once; they stay in the first-level cache.
COLUMN_BLOCK = 256
_SCRATCH_SLOT = (
    512  # numbers from here on tell scratch arrays apart from slots of the argument table
)


def source(kernel: Kernel, shared: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return the name and the source of the kernel's entry.

    `shared` names, for pointers that may hold the same address, the pointer whose slot they use.
    """
    writer = _Writer(kernel, shared or {})
    writer.write()
    body = "\n".join(writer.lines)
    name = f"fused_{hashlib.sha256(body.encode()).hexdigest()[:12]}"
    return name, f"def {name}(args, lo, hi):\n{body}\n"


class _Writer(SourceWriter):
    def __init__(self, kernel: Kernel, shared: Mapping[str, str]) -> None:
        super().__init__()
        self.kernel = kernel
        self.shared = shared
        self.arrays = 0

    def load(self, s: Load, address: str) -> str:
        return f"load({s.pointer}, {address})"

    def store(self, s: Store, address: str) -> str:
        return f"store({s.pointer}, {address}, {s.value})"

    # The whole.

    def write(self) -> None:
        numbers = {slot.name: i for i, slot in enumerate(self.kernel.slots)}
        for slot in self.kernel.slots:
            self.line(
                f"{slot.name} = {_read(slot, numbers[self.shared.get(slot.name, slot.name)])}"
            )
        self.statements(self.kernel.once)
        layouts = {
            Layout.FLAT: self.flat,
            Layout.TILES: self.tiles,
            Layout.BLOCKS: self.blocks,
            Layout.ROWS: self.rows,
            Layout.COLUMNS: self.columns,
            Layout.SHORT: self.short,
            Layout.SPLIT: self.split,
        }
        layouts[self.kernel.layout]()

    def flat(self) -> None:
        (only,) = self.kernel.passes
        axis = self.kernel.inner[0].name if self.kernel.inner else "i"
        with self.block(f"for {axis} in range(lo, hi):"):
            self.statements(only.body, axis)

    def tiles(self) -> None:
        (only,) = self.kernel.passes
        (axis,) = self.kernel.inner
        with self.segments("lo", "hi", self.kernel.axes):
            self.prepare(self.kernel.row, None)
            self.statements(self.kernel.row)
            self.prepare(only.body, axis.name)
            with self.block(f"for {axis.name} in range(start, stop):"):
                self.statements(only.body, axis.name)

    def blocks(self) -> None:
        (only,) = self.kernel.passes
        (axis,) = self.kernel.inner
        *others, high = self.kernel.outer
        turned = {
            s: f"turned_{s.name}"
            for s in only.body
            if isinstance(s, Load) and lies_across(s, high, axis)
        }
        for square, name in turned.items():
            self.array(name, square.tag, SQUARE * SQUARE)
        self.line(f"blocks = ({high.size} + {SQUARE - 1}) // {SQUARE}")
        with self.block("for block in range(lo, hi):"):
            self.line(f"top = block % blocks * {SQUARE}")
            self.line(f"bottom = minimum(top + {SQUARE}, {high.size})")
            self.line("over = block // blocks")
            if others:
                self.decode("over", others)
                if len(others) == 1:
                    self.line(f"{others[0].name} = over")
            self.line("left = 0")
            with self.block(f"while left < {axis.size}:"):
                self.line(f"right = minimum(left + {SQUARE}, {axis.size})")
                for square, name in turned.items():
                    self.turn(square, name, high, axis)
                with self.block(f"for {high.name} in range(top, bottom):"):
                    self.prepare(self.kernel.row, None)
                    self.statements(self.kernel.row)
                    self.line(f"square = ({high.name} - top) * {SQUARE} - left")
                    self.prepare([s for s in only.body if s not in turned], axis.name)
                    with self.block(f"for {axis.name} in range(left, right):"):
                        for s in only.body:
                            if isinstance(s, Load) and s in turned:
                                at = f"square + {axis.name}"
                                self.line(f"{s.name} = load({turned[s]}, {at})", s.loc)
                            else:
                                self.statements([s], axis.name)
                self.line("left = right")

    def turn(self, s: Load, name: str, high: Axis, axis: Axis) -> None:
        """Write the copy of a square, read as it lies, to be read by rows."""
        with self.block(f"for {axis.name} in range(left, right):"):
            self.prepare([s], high.name)
            with self.block(f"for {high.name} in range(top, bottom):"):
                at = f"({high.name} - top) * {SQUARE} + ({axis.name} - left)"
                value = f"load({s.pointer}, {self.address(s.index, high.name)})"
                self.line(f"store({name}, {at}, {value})", s.loc)

    @contextmanager
    def segments(self, lo: str, hi: str, axes: Sequence[Axis]) -> Iterator[None]:
        """Walk the flat range [lo, hi) over `axes` by rows: `start` to `stop` of the last axis."""
        *outer, last = axes
        if not outer:
            self.line(f"start = {lo}")
            self.line(f"stop = {hi}")
            yield
            return
        row = outer[0].name if len(outer) == 1 else "row"
        ends = f"{lo} // {last.size}, ({hi} + {last.size} - 1) // {last.size}"
        with self.block(f"for {row} in range({ends}):"):
            self.line(f"start = maximum({lo} - {row} * {last.size}, 0)")
            self.line(f"stop = minimum({hi} - {row} * {last.size}, {last.size})")
            self.decode(row, outer)
            yield

    # Rows: folds along the innermost loop, accumulators in registers.

    def rows(self) -> None:
        outer = self.kernel.outer
        row = outer[0].name if len(outer) == 1 else "row"
        with self.block(f"for {row} in range(lo, hi):"):
            self.decode(row, outer)
            self.prepare(self.kernel.row, None)
            self.statements(self.kernel.row)
            for each in self.kernel.passes:
                self.row_pass(each)
                self.prepare(each.after, None)
                self.statements(each.after)

    def row_pass(self, each: Pass) -> None:
        if not each.body and not each.folds:
            return
        inner = self.kernel.inner
        last = inner[-1]
        blocked = [f for f in each.folds if f.rounds and self.is_long(inner)]
        for fold in each.folds:
            if fold in blocked:
                self.line(f"{fold.name}_sum = to_f64({fold.init})", fold.loc)
            else:
                self.line(f"{fold.name} = {fold.init}", fold.loc)
        with self.nested(inner[:-1]):
            self.prepare(each.body, last.name)
            if blocked:
                self.blocked_loop(each, last, blocked)
            else:
                with self.block(f"for {last.name} in range({last.size}):"):
                    self.fold_body(each, last.name)
        for fold in blocked:
            self.line(f"{fold.name} = to_{fold.tag}({fold.name}_sum)", fold.loc)

    def is_long(self, inner: Sequence[Axis]) -> bool:
        size = inner[-1].size
        return len(inner) > 1 or isinstance(size, str) or size > FOLD_BLOCK

    def blocked_loop(self, each: Pass, axis: Axis, blocked: Sequence[Fold]) -> None:
        self.line("start = 0")
        with self.block(f"while start < {axis.size}:"):
            self.line(f"stop = minimum(start + {FOLD_BLOCK}, {axis.size})")
            for fold in blocked:
                self.line(f"{fold.name} = {fold.init}")
            with self.block(f"for {axis.name} in range(start, stop):"):
                self.fold_body(each, axis.name)
            for fold in blocked:
                total = f"{fold.name}_sum"
                self.line(f"{total} = {fold.step.format(acc=total, x=fold.name)}", fold.loc)
            self.line("start = stop")

    def fold_body(self, each: Pass, inner: str) -> None:
        self.statements([s for s in each.body if not isinstance(s, Store)], inner)
        for fold in each.folds:
            self.line(f"{fold.name} = {fold.step.format(acc=fold.name, x=fold.value)}", fold.loc)
        self.statements([s for s in each.body if isinstance(s, Store)], inner)

    # Columns: the innermost loop goes over outer points, accumulators in scratch arrays.

    def columns(self) -> None:
        column = self.kernel.outer[-1].name
        kernel = self.kernel
        moving = varying(kernel.row, column)
        steady = [s for s in kernel.row if s not in moving]
        kept = [name for i in range(len(kernel.passes)) for name in kernel.carried(i)]
        for name, tag in kept:
            self.array(f"kept_{name}", tag)
        for each in kernel.passes:
            for fold in each.folds:
                self.array(f"acc_{fold.name}", fold.tag)
                if fold.rounds:
                    self.array(f"sum_{fold.name}", "f64")
        with self.segments("lo", "hi", kernel.outer):
            self.prepare(steady, None)
            self.statements(steady)
            self.line("first = start")
            with self.block("while first < stop:"):
                self.line(f"width = minimum(stop - first, {COLUMN_BLOCK})")
                for i, each in enumerate(kernel.passes):
                    self.column_pass(i, each, moving, [name for name, _ in kept])
                self.line("first += width")

    def array(self, name: str, tag: str, size: int = COLUMN_BLOCK) -> None:
        self.line(f"{name} = scratch_{tag}({_SCRATCH_SLOT + self.arrays}, {size})")
        self.arrays += 1

    def column_pass(
        self, number: int, each: Pass, moving: Sequence[Statement], kept: Sequence[str]
    ) -> None:
        column = self.kernel.outer[-1].name
        rounding = [f for f in each.folds if f.rounds]
        plain = [f for f in each.folds if not f.rounds]
        self.fill(
            [(f"sum_{f.name}", f.init) for f in rounding]
            + [(f"acc_{f.name}", f.init) for f in plain]
        )
        body = [s for s in each.body if not isinstance(s, Store)]
        stores = [s for s in each.body if isinstance(s, Store)]
        if body or each.folds or stores:
            addressed = [*needed(moving, each.body, each.folds), *each.body]
            with self.column_blocks(rounding), self.column_loop(addressed):
                self.lead_in(moving, kept, each.body, each.folds)
                self.statements(body, column)
                for fold in each.folds:
                    step = fold.step.format(acc=f"load(acc_{fold.name}, lane)", x=fold.value)
                    self.line(f"store(acc_{fold.name}, lane, {step})", fold.loc)
                self.statements(stores, column)
        after = [*(s for s in moving if isinstance(s, Store) and number == 0), *each.after]
        carried = self.kernel.carried(number)
        if after or carried:
            with self.column_loop([*needed(moving, after, ()), *after]):
                for fold in each.folds:
                    of = "sum" if fold.rounds else "acc"
                    self.line(
                        f"{fold.name} = to_{fold.tag}(load({of}_{fold.name}, lane))", fold.loc
                    )
                self.lead_in(moving, [k for k in kept if k not in dict(carried)], after, ())
                self.statements(after, column)
                for name, _ in carried:
                    self.line(f"store(kept_{name}, lane, {name})")

    def fill(self, arrays: Sequence[tuple[str, str]]) -> None:
        if arrays:
            with self.block("for lane in range(width):"):
                for name, value in arrays:
                    self.line(f"store({name}, lane, {value})")

    @contextmanager
    def column_blocks(self, rounding: Sequence[Fold]) -> Iterator[None]:
        """Loop over the folded axes, the outermost in blocks if there are rounding folds."""
        first, *rest = self.kernel.inner
        if not rounding:
            with self.nested(self.kernel.inner):
                yield
            return
        self.line("begin = 0")
        with self.block(f"while begin < {first.size}:"):
            self.line(f"end = minimum(begin + {FOLD_BLOCK}, {first.size})")
            self.fill([(f"acc_{f.name}", f.init) for f in rounding])
            with self.block(f"for {first.name} in range(begin, end):"), self.nested(rest):
                yield
            with self.block("for lane in range(width):"):
                for f in rounding:
                    total = f.step.format(
                        acc=f"load(sum_{f.name}, lane)", x=f"load(acc_{f.name}, lane)"
                    )
                    self.line(f"store(sum_{f.name}, lane, {total})", f.loc)
            self.line("begin = end")

    @contextmanager
    def column_loop(self, statements: Sequence[Statement]) -> Iterator[None]:
        column = self.kernel.outer[-1].name
        self.prepare(statements, column)
        with self.block("for lane in range(width):"):
            self.line(f"{column} = first + lane")
            yield

    def lead_in(
        self,
        moving: Sequence[Statement],
        kept: Sequence[str],
        statements: Sequence[Statement],
        folds: Sequence[Fold],
    ) -> None:
        """Write what the statements use from outside the loop over columns."""
        first = needed(moving, statements, folds)
        wanted = used([*first, *statements], folds)
        for name in dict.fromkeys(kept):
            if name in wanted:
                self.line(f"{name} = load(kept_{name}, lane)")
        self.statements(first, self.kernel.outer[-1].name)

    # Short: folds written out, the innermost loop goes over outer points.

    def short(self) -> None:
        kernel = self.kernel
        last = kernel.outer[-1].name
        moving = varying(kernel.row, last)
        steady = [s for s in kernel.row if s not in moving]
        passes = [written_out(each, kernel) for each in kernel.passes]
        with self.segments("lo", "hi", kernel.outer):
            self.prepare(steady, None)
            self.statements(steady)
            self.prepare([*moving, *(s for p in passes for s in p if not isinstance(s, str))], last)
            self.prepare([s for p in kernel.passes for s in p.after], last)
            with self.block(f"for {last} in range(start, stop):"):
                self.statements(moving, last)
                for each, statements in zip(kernel.passes, passes, strict=True):
                    for s in statements:
                        if isinstance(s, str):
                            self.line(s)
                        else:
                            self.statements([s], last)
                    self.statements(each.after, last)

    # Split: no outer axes. The folded range is cut in blocks, whose results are folded in turn.

    def split(self) -> None:
        with self.block("for step in range(first_step, last_step):"):
            for number, each in enumerate(self.kernel.passes):
                with self.block(f"{'if' if number == 0 else 'elif'} step == {2 * number}:"):
                    self.take_kept(number, each.body, each.folds)
                    self.split_blocks(each)
                with self.block(f"elif step == {2 * number + 1}:"):
                    self.combine(number, each)

    def take_kept(
        self, number: int, statements: Sequence[Statement], folds: Sequence[Fold]
    ) -> None:
        wanted = used(statements, folds)
        for before in range(number):
            for name, _ in self.kernel.carried(before):
                if name in wanted:
                    self.line(f"{name} = load(kept_{name}, 0)")

    def split_blocks(self, each: Pass) -> None:
        inner = self.kernel.inner
        total = " * ".join(str(a.size) for a in inner)
        with self.block("for block in range(lo, hi):"):
            self.line(f"begin = block * {SPLIT_BLOCK}")
            self.line(f"end = minimum(begin + {SPLIT_BLOCK}, {total})")
            for fold in each.folds:
                self.line(f"{fold.name} = {fold.init}", fold.loc)
            with self.segments("begin", "end", inner):
                self.prepare(each.body, inner[-1].name)
                with self.block(f"for {inner[-1].name} in range(start, stop):"):
                    self.fold_body(each, inner[-1].name)
            for fold in each.folds:
                self.line(f"store(part_{fold.name}, block, {fold.name})")

    def combine(self, number: int, each: Pass) -> None:
        total = " * ".join(str(a.size) for a in self.kernel.inner)
        self.line(f"blocks = ({total} + {SPLIT_BLOCK - 1}) // {SPLIT_BLOCK}")
        for fold in each.folds:
            name = f"{fold.name}_sum" if fold.rounds else fold.name
            self.line(f"{name} = {f'to_f64({fold.init})' if fold.rounds else fold.init}", fold.loc)
            with self.block("for block in range(blocks):"):
                step = fold.step.format(acc=name, x=f"load(part_{fold.name}, block)")
                self.line(f"{name} = {step}", fold.loc)
            if fold.rounds:
                self.line(f"{fold.name} = to_{fold.tag}({name})", fold.loc)
        after = [*(self.kernel.row if number == 0 else ()), *each.after]
        self.take_kept(number, after, ())
        self.statements(after)
        for name, _ in self.kernel.carried(number):
            self.line(f"store(kept_{name}, 0, {name})")


def written_out(each: Pass, kernel: Kernel) -> list[Statement | str]:
    """Return the statements of a pass for each element of the inner axes, folds as text."""
    own = {s.name for p in kernel.passes for s in p.body if not isinstance(s, Store)}
    out: list[Statement | str] = [f"{f.name} = {f.init}" for f in each.folds]
    sizes = [range(a.size) for a in kernel.inner if isinstance(a.size, int)]
    for point in itertools.product(*sizes):
        at = dict(zip((a.name for a in kernel.inner), point, strict=True))
        suffix = "_".join(map(str, point))
        body = [_element(s, at, suffix, own) for s in each.body]
        out += [s for s in body if not isinstance(s, Store)]
        for f in each.folds:
            value = renamed(f.value, suffix, own)
            out.append(f"{f.name} = {f.step.format(acc=f.name, x=value)}")
        out += [s for s in body if isinstance(s, Store)]
    return out


def _element(s: Statement, at: Mapping[str, int], suffix: str, own: set[str]) -> Statement:
    """Return a statement for one element: inner axes become numbers, and names get a suffix."""
    if isinstance(s, Let):
        uses = tuple(renamed(u, suffix, own) for u in s.uses)
        text = renamed(s.text, suffix, own)
        return replace(s, name=renamed(s.name, suffix, own), text=text, uses=uses)
    index: list[tuple[str, int | str]] = []
    for axis, stride in s.index:
        if axis not in at:
            index.append((axis, stride))
        elif at[axis] != 0:
            fixed = isinstance(stride, int)
            index.append((str(at[axis] * stride), 1) if fixed else (str(at[axis]), stride))
    if isinstance(s, Load):
        return replace(s, name=renamed(s.name, suffix, own), index=tuple(index))
    return replace(s, value=renamed(s.value, suffix, own), index=tuple(index))


def _read(slot: Slot, number: int) -> str:
    if slot.pointer:
        return f"arg_ptr_{slot.tag}(args, {number})"
    return f"arg_f64(args, {number})" if slot.tag == "float" else f"arg_i64(args, {number})"
