"""Indices beyond the end in kernels of processors: kept in a register, and noted at the end.

A store in a loop keeps LLVM from widening it and from moving out of it what does not change; the
largest place of all is a fold like others. A place before the start, seen without a sign, is large.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from jitorch.codegen.emit import I64

_ZERO = ir.Constant(I64, 0)


class Note(NamedTuple):
    """What will be noted: `largest` is a place on the stack, `memory` has room for an index and a size."""

    largest: Any
    memory: Any
    size: Any
    back: bool


def keep(builder: Any, memory: Any, place: Any, size: Any, *, back: bool) -> None:
    """Emit what remembers a place, counted from the start, if no larger one is known.

    `back` tells that negative indices had the size added.
    """
    notes = _notes(builder.function)
    if memory not in notes:
        entry = ir.IRBuilder(builder.function.entry_basic_block)
        notes[memory] = Note(entry.alloca(I64), memory, size, back)
        entry.store(_ZERO, notes[memory].largest)
    largest = notes[memory].largest
    known = builder.load(largest)
    builder.store(builder.select(builder.icmp_unsigned(">", place, known), place, known), largest)


def write(builder: Any) -> None:
    """Emit, at the end of a function, what notes indices beyond the end."""
    for note in _notes(builder.function).values():
        place = builder.load(note.largest)
        some = builder.icmp_unsigned("!=", note.size, _ZERO)  # else nothing was picked
        beyond = builder.and_(some, builder.icmp_unsigned(">=", place, note.size))
        with builder.if_then(beyond, likely=False):
            index = place
            if note.back:
                before = builder.icmp_signed("<", place, _ZERO)
                index = builder.select(before, builder.sub(place, note.size), place)
            memory = builder.bitcast(note.memory, I64.as_pointer())
            for k, value in enumerate((index, note.size)):
                builder.store(value, builder.gep(memory, [ir.Constant(I64, k)]))


def _notes(function: Any) -> dict[Any, Note]:
    notes: dict[Any, Note] = vars(function).setdefault("jitorch_notes", {})
    return notes
