"""Native drivers: a `loop` op as one native function, so that a Python loop costs no Python.

    def driver(args, lo, hi):
        ...
        while i < trips and going:
            set_i64(table, 0, x + i * 256)         # x[i], a view: address arithmetic
            matmul_f32(...)                         # BLAS
            call_kernel(kernel_1, table_1, 0, 128)  # a fused kernel
            ...

Kernels and BLAS are called by address; everything the loop allocates lies in one arena, whose size
is known before it starts. A carried tensor has two buffers: an iteration writes the one while it
reads the other. A list that grows by `append` is one buffer, so stacking it afterwards is free.
What goes wrong is reported by a number in the argument table. Whatever has no place here raises
`Unsupported`, and the loop stays in Python.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from jitorch.codegen.driver.base import CompileKernel, Driver, Result
from jitorch.codegen.driver.carried import DriverCarried
from jitorch.codegen.driver.values import ListRef, Ref, Scalar, TensorRef
from jitorch.ir.alias import reachable
from jitorch.ir.core import Block, Op, Value, free_values, walk
from jitorch.ir.dims import Dim, product
from jitorch.ir.opdef import OPS
from jitorch.ir.types import ListType, ScalarType, TensorType


def write_driver(
    op: Op,
    outside: dict[Value, Op],
    known: set[str],
    compile_kernel: CompileKernel,
    private: Container[Value] = (),
) -> Driver:
    """Return the driver of a `loop` op. Raises Unsupported where it can't be one.

    `outside` has the ops that define the values around the loop, `known` the sizes known there;
    the items of a list in `private` are only ever copied.
    """
    return _Writer(op, outside, known, compile_kernel, private=private).driver(op)


@dataclass
class _Writer(DriverCarried):
    """Writes loops, branches and lists."""

    private: Container[Value] = ()
    nesting: int = 0

    # The whole.

    def driver(self, op: Op) -> Driver:
        results = [self.result_slot(op, i) for i in range(len(op.outputs))]
        self.given = {i: self.may_show(op, v) for i, v in enumerate(op.outputs)}
        self.loop(op, outermost=True)
        for i, (v, where) in enumerate(zip(op.outputs, results, strict=True)):
            self.hand_out(i, v, where)
        for k in range(3):
            self.slot(("error", k), f"error_{k}", "int", None)
        slots = sorted(self.slots.values(), key=lambda s: s.kind != "pointer")
        text = ["def driver(args, lo, hi):"]
        for k, slot in enumerate(slots):
            if slot.source is None or (isinstance(slot.source, Result) and slot.kind != "pointer"):
                text.append(f"    {slot.name} = {k}")
            else:
                text.append(
                    f"    {slot.name} = arg_{'f64' if slot.kind == 'float' else 'i64'}(args, {k})"
                )
        text += [f"    {line}" for line in self.head] + self.lines
        appends = {i: self.appends.get(where, 0) for i, where in enumerate(results)}
        return Driver(
            "\n".join(text) + "\n",
            tuple(slots),
            self.arena,
            tuple(self.failures),
            appends,
            self.given,
        )

    def may_show(self, op: Op, v: Value) -> list[Value]:
        """Return the tensors from outside whose memory a result of the loop may turn out to be."""
        if isinstance(v.type, ScalarType) or v in self.private:
            return []
        reached = reachable([op, *walk(op.blocks[0])], [v])
        outside = dict.fromkeys([*op.inputs[2:], *free_values(op.blocks[0])])
        shown = [x for x in outside if x in reached and isinstance(x.type, TensorType)]
        if shown and isinstance(v.type, ListType):
            raise self.unsupported("a list holds views of tensors from outside")
        for x in shown:
            if self.tensor(x).strides is not None:
                raise self.unsupported("a result may be a view of a tensor that is not contiguous")
        return shown

    def result_slot(self, op: Op, index: int) -> str:
        t = op.outputs[index].type
        if isinstance(t, (TensorType, ListType)):
            return self.slot(Result(index), f"p_out{index}", "pointer", Result(index))
        return ""

    def hand_out(self, index: int, v: Value, where: str) -> None:
        """Write the loop's result to where the caller finds it.

        A tensor that lies in the memory of one from outside is handed back as a view of that: the
        caller is told of which one, and at which byte.
        """
        found = self.env[v]
        match found:
            case TensorRef():
                if found.root in self.mutable:
                    return
                if found.root not in self.pairs:
                    self.tell_memory(index, found.address)
                self.line(f"if {found.address} != {where}:")
                copied = f"copy_bytes({where}, {found.address}, {self.bytes(found.type)})"
                self.line(f"    {copied}")
            case ListRef():
                number = self.slot(("count", index), f"out{index}", "int", Result(index))
                self.line(f"set_i64(args, {number}, {found.count})")
            case Scalar():
                floating = isinstance(v.type, ScalarType) and v.type.kind == "float"
                kind = "float" if floating else "int"
                number = self.slot(("scalar", index), f"out{index}", kind, Result(index))
                self.line(f"set_{'f64' if floating else 'i64'}(args, {number}, {found.text})")

    def tell_memory(self, index: int, address: str) -> None:
        if not self.given[index]:
            return
        which = self.slot(("which", index), f"which_{index}", "int", Result(index))
        offset = self.slot(("offset", index), f"offset_{index}", "int", None)
        for number, v in enumerate(self.given[index], 1):
            self.line(f"if {self.lies_in(address, v)}:")
            self.line(f"    set_i64(args, {which}, {number})")
            self.line(f"    set_i64(args, {offset}, {address} - {self.tensor(v).address})")

    # Loops.

    def loop(self, op: Op, *, outermost: bool = False) -> None:
        (body,) = op.blocks
        trips, going = self.scalar(op.inputs[0]), self.names.own("going")
        self.line(f"{going} = {self.scalar(op.inputs[1])}")
        index = self.names.new(body.params[0].hint or "step")
        self.env[body.params[0]] = Scalar(index)
        self.learn(body.params[0].type, index)
        self.line(f"{index} = 0")
        carried: list[str] = []
        for i, (v, init) in enumerate(zip(body.params[1:], op.inputs[2:], strict=True)):
            carried.append(self.carry_in(op, i, v, init, outermost, f"{trips} > 0 and {going}"))
        roots = self.double_buffers(body)
        self.line(f"while {index} < {trips} and {going}:")
        self.depth += 1
        self.nesting += 1
        before = set(self.checked)
        self.plan_appends(body)
        self.block(body)
        self.checked = before
        self.nesting -= 1
        self.carry_on(body, carried, roots)
        self.line(f"{going} = {self.scalar(body.results[0])}")
        self.line(f"{index} += 1")
        self.depth -= 1
        for v, param, name in zip(op.outputs, body.params[1:], carried, strict=True):
            self.env[v] = self.renamed(self.env[param], name)

    # Lists.

    def plan_appends(self, body: Block) -> None:
        """Let values that are appended be computed in the list's own memory."""
        made = {v: op for op in body.ops for v in op.outputs}
        for op in body.ops:
            if op.name != "append":
                continue
            base, before = op.inputs[0], 0
            while base in made and made[base].name == "append":
                base, before = made[base].inputs[0], before + 1
            root = op.inputs[1]
            while root in made and OPS[made[root].name].view:
                root = made[root].inputs[0]
            found = self.env.get(base)
            direct = (
                root in made
                and made[root].name in ("fused", "matmul")
                and root not in self.place
                and root not in self.renewed
            )
            whole = direct and product(_shape(root)) == product(_shape(op.inputs[1]))
            if isinstance(found, ListRef) and whole and root not in self.forward:
                self.forward[root] = self.item_address(
                    replace(found, count=_plus(found.count, before))
                )

    def append(self, op: Op) -> None:
        xs, x = self.ref(op.inputs[0]), self.tensor(op.inputs[1])
        if not isinstance(xs, ListRef) or self.uses.get(op.inputs[0], 0) > 1:
            raise self.unsupported("a list is used after it has grown")
        if x.strides is not None:
            raise self.unsupported("a tensor that is not contiguous is appended")
        if self.nesting > 1:
            raise self.unsupported("a list grows in an inner loop")
        target = self.item_address(xs)
        if x.root is None or self.forward.get(x.root) != target:
            self.line(f"copy_bytes({target}, {x.address}, {self.bytes(xs.item)})")
        self.appends[xs.buffer] = self.appends.get(xs.buffer, 0) + 1
        self.env[op.output] = replace(xs, count=_plus(xs.count, 1))

    # Ops.

    def block(self, block: Block) -> None:
        for op in block.ops:
            outer, self.loc = self.loc, op.loc if op.loc.known else self.loc
            self.op(op)
            self.loc = outer

    def op(self, op: Op) -> None:
        match op.name:
            case "fused":
                self.kernel(op)
            case "matmul":
                self.matmul(op)
            case "append":
                self.append(op)
            case "write":
                self.write(op)
            case "copy":
                self.copy(self.output(op.output), self.tensor(op.inputs[0]))
            case "require_elements":
                self.require_elements(op)
            case "assume":
                self.assume(op)
            case "constant" | "cast" if isinstance(op.output.type, TensorType):
                self.small_tensor(op)
            case "loop":
                self.loop(op)
            case "if":
                self.branch(op)
            case "constant" if isinstance(value := op.attrs["value"], str):
                self.messages[op.output] = value
            case "assert" | "raise":
                self.check(op)
            case _ if OPS[op.name].view:
                self.env[op.output] = self.view(op)
            case _ if [type(v.type) for v in op.outputs] == [ScalarType]:
                self.scalar_op(op)
            case _:
                raise self.unsupported(f"'{op.name}' has no native form")

    def branch(self, op: Op) -> None:
        names = [self.names.new(v.hint or "chosen") for v in op.outputs]
        outs: list[Ref] = []
        for number, block in enumerate(op.blocks):
            self.line("else:" if number else f"if {self.scalar(op.inputs[0])}:")
            self.depth += 1
            known, checked = dict(self.sizes), set(self.checked)
            self.block(block)
            found = [self.ref(v) for v in block.results]
            for name, ref in zip(names, found, strict=True):
                self.line(f"{name} = {self.choice(ref)}")
            self.line("pass")
            self.sizes, self.checked = known, checked
            outs = (
                found
                if number == 0
                else [self.same_kind(a, b) for a, b in zip(outs, found, strict=True)]
            )
            self.depth -= 1
        for v, ref, name in zip(op.outputs, outs, names, strict=True):
            self.env[v] = self.renamed(ref, name)
            self.learn(v.type, name)

    def choice(self, ref: Ref) -> str:
        if isinstance(ref, TensorRef):
            if ref.strides is not None:
                raise self.unsupported("a branch gives a tensor that is not contiguous")
            return ref.address
        return ref.count if isinstance(ref, ListRef) else ref.text

    def same_kind(self, a: Ref, b: Ref) -> Ref:
        if isinstance(a, TensorRef) and isinstance(b, TensorRef) and a.type.shape != b.type.shape:
            raise self.unsupported("the branches give tensors of different sizes")
        if isinstance(a, ListRef) and isinstance(b, ListRef) and a.buffer != b.buffer:
            raise self.unsupported("the branches give different lists")
        if isinstance(a, TensorRef) and isinstance(b, TensorRef) and a.root is not b.root:
            return replace(a, root=None)
        return a


def _shape(v: Value) -> tuple[Dim, ...]:
    return v.type.shape if isinstance(v.type, TensorType) else ()


def _plus(text: str, number: int) -> str:
    return f"{text} + {number}" if number else text
