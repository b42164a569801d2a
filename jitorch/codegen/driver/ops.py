"""Ops inside native drivers: kernels, matrix products, views, writes, and arithmetic on numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jitorch.codegen.driver.base import Address, DriverText
from jitorch.codegen.driver.paired import shown_by
from jitorch.codegen.driver.values import Scalar, TensorRef, view
from jitorch.codegen.expression import constant, expression
from jitorch.codegen.kernel import (
    Fault,
    Input,
    Kernel,
    Layout,
    Number,
    Output,
    Scratch,
    Size,
    Slot,
    Step,
    Stride,
)
from jitorch.codegen.picking import NOTHING, TOO_LARGE
from jitorch.errors import IndexOutOfRange
from jitorch.ir.core import Op, Value
from jitorch.ir.dims import Dim, Sym, product
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ScalarType, TensorType, bool_, float64, int64
from jitorch.ops.reduce import nothing_to_fold


class DriverOps(DriverText):
    """Writes single ops."""

    def view(self, op: Op) -> TensorRef:
        return self.view_of(op, self.tensor(op.inputs[0]))

    def view_of(self, op: Op, x: TensorRef) -> TensorRef:
        """Return what a view op shows of `x`, after the checks that it needs."""
        if op.name == "select":
            self.check_index(op, x)
        return view(op, x, self.size, self.unsupported, self.slice_check)

    def check_index(self, op: Op, x: TensorRef) -> None:
        dim, index = op.attrs["dim"], op.attrs["index"]
        assert isinstance(dim, int)
        size = x.type.shape[dim]
        if isinstance(index, int) and isinstance(size, int):
            return
        i, n = self.size(index), self.size(size)  # type: ignore[arg-type]
        self.line(f"if {i} < -({n}) or {i} >= {n}:")
        self.fail("IndexOutOfRange", IndexOutOfRange.beyond("{}", dim, "{}").message, i, n)

    def slice_check(self, start: str, length: str, step: int, size: str) -> None:
        check = (start, length, step, size)
        if check in self.checked:
            return
        self.checked.add(check)
        over = f"{length} > 0 and {start} + ({length} - 1) * {step} >= {size}"
        self.line(f"if {start} < 0 or {length} < 0 or {over}:")
        self.fail("IndexOutOfRange", "a slice from {} on runs over the end, {}", start, size)

    def assume(self, op: Op) -> None:
        left, right = (self.size(op.attrs[k]) for k in ("left", "right"))  # type: ignore[arg-type]
        self.line(f"if {left} != {right}:")
        self.fail("ShapeMismatch", "sizes differ: {} and {} must be equal here", left, right)

    def check(self, op: Op) -> None:
        """Write an `assert` or `raise` with a fixed message."""
        message = op.inputs[-1] if len(op.inputs) > (op.name == "assert") else None
        if message is not None and message not in self.messages:
            raise self.unsupported(f"'{op.name}' with a message put together at run time")
        text = self.messages[message].replace("{", "{{").replace("}", "}}") if message else ""
        exception = op.attrs.get("exception", "AssertionError")
        assert isinstance(exception, str)
        self.line(
            f"if not to_bool({self.scalar(op.inputs[0])}):" if op.name == "assert" else "if True:"
        )
        self.fail(exception, text)

    def small_tensor(self, op: Op) -> None:
        """Write a 0-d tensor of a number."""
        t = op.output.type
        assert isinstance(t, TensorType)
        if op.name == "constant":
            text = constant(op.attrs["value"], t.dtype)
        elif t.ndim == 0 and isinstance(op.inputs[0].type, ScalarType):
            text = self.scalar(op.inputs[0])
        else:
            raise self.unsupported(f"'{op.name}' has no native form")
        out = self.output(op.output)
        self.line(f"poke_{t.dtype.tag}({out.address}, {text})")

    # Writes.

    def write(self, op: Op) -> None:
        """Write into the memory of a carried tensor."""
        if op.inputs[1] in self.parts:  # its kernel has put it there
            whole, paired = self.parts[op.inputs[1]]
            self.env[op.output] = self.part(whole, paired.writes[: paired.writes.index(op)])
            self.parts[op.output] = whole, paired
            return
        base, new = (self.tensor(v) for v in op.inputs)
        if base.root not in self.mutable or self.mutation.is_read_later(op):
            raise self.unsupported("a tensor is written to whose old value is still needed")
        target = self.view(shown_by(op))
        if (target.address, target.strides) == (new.address, new.strides):
            self.env[op.output] = base  # written through a view of it
            return
        if new.root is base.root:  # what is copied may overlap where it goes
            room = self.allocate(product(new.type.shape), new.type.dtype.itemsize, "copy")
            copy = TensorRef(room, replace(new.type, strided=False), None)
            self.copy(copy, new)
            new = copy
        self.copy(target, new)
        self.env[op.output] = base

    def part(self, whole: TensorRef, writes: Sequence[Op]) -> TensorRef:
        """Return what a chain of writes shows of a tensor."""
        for write in writes:
            whole = self.view_of(shown_by(write), whole)
        return whole

    def copy(self, target: TensorRef, source: TensorRef) -> None:
        """Write the copying of a tensor, which may have to be repeated along some dimensions."""
        shape, itemsize = target.type.shape, target.type.dtype.itemsize
        if target.strides is None and source.strides is None and shape == source.type.shape:
            count = self.size(product(shape) * itemsize)
            self.line(f"copy_bytes({target.address}, {source.address}, {count})")
            return
        skipped = len(shape) - source.type.ndim
        offsets: tuple[list[str], list[str]] = [], []
        depth = self.depth
        rows = self.lie_in_rows(target, source)
        for d, n in enumerate(shape[:-1] if rows else shape):
            if n == 1:
                continue
            index = self.names.own("index")
            self.line(f"for {index} in range({self.size(n)}):")
            self.depth += 1
            offsets[0].append(f"{index} * ({target.stride(d, self.size)})")
            if d >= skipped and source.type.shape[d - skipped] != 1:
                offsets[1].append(f"{index} * ({source.stride(d - skipped, self.size)})")
        to, of = (
            f"{x.address} + ({' + '.join(each) or '0'}) * {itemsize}"
            for x, each in zip((target, source), offsets, strict=True)
        )
        tag = target.type.dtype.tag
        if rows:
            self.line(f"copy_bytes({to}, {of}, {self.size(product(shape[-1:]) * itemsize)})")
        else:
            self.line(f"poke_{tag}({to}, peek_{tag}({of}))")
        self.depth = depth

    def lie_in_rows(self, target: TensorRef, source: TensorRef) -> bool:
        """Whether two tensors have a last dimension in common, without gaps in either."""
        a, b = target.type.shape, source.type.shape
        return (
            bool(a and b)
            and a[-1] == b[-1] != 1
            and all(x.stride(x.type.ndim - 1, self.size) == "1" for x in (target, source))
        )

    def output(self, v: Value) -> TensorRef:
        """Return where a result of a kernel or product goes."""
        t = v.type
        assert isinstance(t, TensorType)
        if v in self.renewed:
            self.env[v] = here = self.tensor(self.renewed[v])
            return here
        if v in self.parts:
            whole, paired = self.parts[v]
            self.env[v] = part = self.part(whole, paired.writes)
            return part
        if v in self.place:
            address = self.place[v][0]
        elif v in self.forward:
            address = self.names.own(f"at_{v.hint or 'item'}")
            self.line(f"{address} = {self.forward[v]}")
        else:
            address = self.allocate(product(t.shape), t.dtype.itemsize, v.hint)
        self.env[v] = made = TensorRef(address, t, None, v)
        return made

    def kernel(self, op: Op) -> None:
        strides = {v: self.parts[v][1].strides for v in op.outputs if v in self.parts}
        over = {v: self.renewed[v] for v in op.outputs if v in self.renewed}
        compiled = self.compile_kernel(op, strides, over)
        kernel = compiled.kernel
        for v in op.outputs:
            self.output(v)
        address = self.slot(compiled.name, "kernel", "int", Address(compiled))
        table = self.allocate(len(kernel.slots), 8, "table")
        extent = compiled.extent(op)
        n = self.size(extent.count)
        notes = {s: s.source for s in kernel.slots if isinstance(s.source, Fault)}
        faults = {s: self.fault(note) for s, note in notes.items()}
        for k, slot in enumerate(kernel.slots):
            kind = "f64" if slot.tag == "float" else "i64"
            self.line(
                f"set_{kind}({table}, {k}, {faults.get(slot) or self.argument(op, slot, extent.count)})"
            )
        self.start(kernel, address, table, n, extent.grain(self.size))
        for slot, note in notes.items():
            self.tell(note, faults[slot])

    def start(self, kernel: Kernel, address: str, table: str, n: str, grain: str) -> None:
        """Write the launch of a kernel."""
        if kernel.layout is Layout.SPLIT:
            first = next(k for k, s in enumerate(kernel.slots) if s.source == Step("first"))
            self.line(f"set_i64({table}, {first + 1}, {2 * len(kernel.passes)})")
            self.line(f"if {n} <= {grain}:")
            self.line(f"    call_kernel({address}, {table}, 0, {n})")
            self.line("else:")
            self.depth += 1
            for step in range(2 * len(kernel.passes)):
                self.line(f"set_i64({table}, {first}, {step})")
                self.line(f"set_i64({table}, {first + 1}, {step + 1})")
                call = f"parallel_for({address}, {table}, {n}, {grain})"
                self.line(call if step % 2 == 0 else f"call_kernel({address}, {table}, 0, 1)")
            self.depth -= 1
            return
        self.line(f"if {n} > 0:")
        self.line(f"    parallel_for({address}, {table}, {n}, {grain})")

    # Elements picked by indices.

    def fault(self, note: Fault) -> str:
        """Write the memory in which a kernel notes an index beyond the end; return its address."""
        for dim, *sizes in note.others:
            wanted, given = map(self.size, sizes)
            self.line(f"if {wanted} > {given}:")
            self.beyond(note, "ShapeMismatch", TOO_LARGE.format(dim=dim), wanted, given)
        size, count = self.size(note.size), self.size(note.count)
        if not isinstance(note.size, int) or note.size == 0:
            self.line(f"if {size} == 0 and {count} > 0:")
            message = IndexOutOfRange.beyond(None, note.dim, 0).message
            self.beyond(note, "IndexOutOfRange", message)
        address = self.allocate(2, 8, "fault")
        self.line(f"poke_i64({address} + 8, {NOTHING})")
        return address

    def tell(self, note: Fault, address: str) -> None:
        self.line(f"if peek_i64({address} + 8) != {NOTHING}:")
        message = IndexOutOfRange.beyond("{}", note.dim, "{}").message
        self.beyond(
            note, "IndexOutOfRange", message, f"peek_i64({address})", f"peek_i64({address} + 8)"
        )

    def beyond(self, note: Fault, error: str, message: str, *numbers: str) -> None:
        loc, self.loc = self.loc, note.loc
        self.fail(error, message, *numbers)
        self.loc = loc

    def require_elements(self, op: Op) -> None:
        """Write the check that a fold has something to fold."""
        name, shape, dims = (op.attrs[key] for key in ("name", "shape", "dim"))
        assert isinstance(name, str)
        assert isinstance(shape, tuple)
        assert isinstance(dims, tuple)
        for d in map(int, dims):  # type: ignore[arg-type]
            size = shape[d]
            assert isinstance(size, (int, Sym))
            self.line(f"if {self.size(size)} == 0:")
            self.fail("IndexOutOfRange", nothing_to_fold(name, len(shape), len(dims), d))

    def argument(self, op: Op, slot: Slot, count: Dim) -> str:
        match slot.source:
            case Input(index):
                return self.tensor(op.inputs[index]).address
            case Output(index):
                return self.tensor(op.outputs[index]).address
            case Number(index):
                return self.scalar(op.inputs[index])
            case Size(value):
                return self.size(value)
            case Stride(index, dim):
                return self.tensor(op.inputs[index]).stride(dim, self.size)
            case Scratch(per_block):
                return self.allocate(count if per_block else 1, 8, "scratch")
            case Step():
                return "0"
        raise AssertionError(slot)

    def matmul(self, op: Op) -> None:
        a, b = (self.tensor(v) for v in op.inputs)
        t = op.output.type
        assert isinstance(t, TensorType)
        if t.dtype.tag not in ("f32", "f64") or t.ndim != 2:
            raise self.unsupported(f"a matrix product of {a.type} and {b.type}")
        out = self.output(op.output)
        m, k, n = a.type.shape[0], a.type.shape[1], b.type.shape[1]
        (lda, ta), (ldb, tb) = self.leading(a), self.leading(b)
        sizes = ", ".join(self.size(d) for d in (m, n, k))
        strides = ", ".join((lda, ldb, self.size(n), ta, tb))
        self.line(
            f"matmul_{t.dtype.tag}({a.address}, {b.address}, {out.address}, {sizes}, {strides})"
        )

    def leading(self, x: TensorRef) -> tuple[str, str]:
        """Return the leading dimension of a matrix, and whether it lies transposed."""
        rows, columns = (x.stride(d, self.size) for d in range(2))
        if columns == "1":
            return rows, "0"
        if rows == "1":
            return columns, "1"
        raise self.unsupported("a matrix with gaps between its elements is multiplied")

    def scalar_op(self, op: Op) -> None:
        name = self.names.new(op.output.hint or "scalar")
        self.line(f"{name} = {self.scalar_text(op)}")
        self.env[op.output] = Scalar(name)
        self.learn(op.output.type, name)

    def scalar_text(self, op: Op) -> str:
        """Return the expression of an op on Python numbers."""
        match op.name:
            case "constant" | "dim":
                return self.number(op.attrs["value"])
            case "item" | "truth" if isinstance(op.inputs[0].type, TensorType):
                x = self.tensor(op.inputs[0])
                return f"{_cast(op.output)}(peek_{x.type.dtype.tag}({x.address}))"
            case "truth" | "to_scalar":
                return f"{_cast(op.output)}({self.scalar(op.inputs[0])})"
            case "not":
                return f"not to_bool({self.scalar(op.inputs[0])})"
        if OPS[op.name].scalar is None or not op.inputs:
            raise self.unsupported(f"'{op.name}' on numbers has no native form")
        return self.arithmetic(op)

    def number(self, value: object) -> str:
        if isinstance(value, (int, Sym)) and not isinstance(value, bool):
            return self.size(value)
        if isinstance(value, (bool, float)):
            return constant(value, float64 if isinstance(value, float) else bool_)
        raise self.unsupported(f"the constant {value!r}")

    def arithmetic(self, op: Op) -> str:
        """Return an elementwise op's expression for numbers: in float64, or in int64."""
        floating = any(_kind(v) == "float" for v in (*op.inputs, op.output))
        dtype = float64 if floating else int64
        operands = [f"to_{dtype.tag}({self.scalar(v)})" for v in op.inputs]
        whole = all(_kind(v) != "float" for v in op.inputs)
        if whole and len(op.inputs) == 2 and op.name in _DIVISIONS:
            self.line(f"if {operands[1]} == 0:")
            self.fail("ZeroDivisionError", "division by zero")
        text = expression(OPS[op.name].scalar, dtype, operands)
        if text is None or op.name == "pow":
            raise self.unsupported(f"'{op.name}' on numbers has no native form")
        return f"{_cast(op.output)}({text})"


# Ops that are an error for a whole divisor of 0.
_DIVISIONS = ("div", "floor_divide", "remainder", "fmod", "trunc_divide")


def _kind(v: Value) -> str:
    return v.type.kind if isinstance(v.type, ScalarType) else ""


def _cast(v: Value) -> str:
    """Return the conversion to a number's kind."""
    return {"int": "to_i64", "float": "to_f64", "bool": "to_bool"}[_kind(v)]


def _shape(v: Value) -> tuple[Dim, ...]:
    return v.type.shape if isinstance(v.type, TensorType) else ()
