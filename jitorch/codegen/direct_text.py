"""The LLVM text of the kernel for convolutions; `direct` says what it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """So many vectors of `lanes` elements of the result for each of some filters."""

    filters: int
    vectors: int
    lanes: int

    @property
    def width(self) -> int:
        return self.vectors * self.lanes


_ARGUMENTS = (
    "x", "w", "out", "groups", "filters", "depth", "height", "width", "rows", "columns", "blocks", "step",
    "top", "left", "row", "kh", "down", "halo",
)  # fmt: skip


def text(tag: str, tile: Tile, kw: int, right: int) -> str:
    """Return the LLVM text of the kernel for filters of `kw` columns, `right` apart."""
    element, itemsize = {"f32": ("float", 4), "f64": ("double", 8)}[tag]
    vector = f"<{tile.lanes} x {element}>"
    words = "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %table, i64 {k}\n"
        f"  %{name} = load i64, ptr %{name}.at"
        for k, name in enumerate(_ARGUMENTS)
    )
    return _TILE.format(
        t=element,
        filters=tile.filters,
        kw=kw,
        right=right,
        start=_each(tile, "  %a.{o}.{v} = phi V [zeroinitializer, %entry], [%sum.{o}.{v}, %next]"),
        row=_each(tile, "  %b.{o}.{v} = phi V [%a.{o}.{v}, %channel], [%sum.{o}.{v}, %right]"),
        tap=_each(tile, "  %c.{o}.{v} = phi V [%b.{o}.{v}, %down], [%sum.{o}.{v}, %tap]"),
        body=_loads(tile, element, itemsize) + _each(tile, _MULTIPLY_ADD),
        stores=_each(tile, _STORE.format(t=element, item=itemsize, o="{o}", v="{v}", at="{at}")),
    ).replace(" V ", f" {vector} ").replace("{V}", vector) + _ENTRY.format(
        t=element,
        item=itemsize,
        filters=tile.filters,
        kw=kw,
        reach=(kw - 1) * right,
        last_filter=tile.filters - 1,
        width=tile.width,
        last_lane=tile.width - 1,
        words=words,
    )


def _each(tile: Tile, line: str) -> str:
    return "\n".join(
        line.format(o=o, v=v, at=v * tile.lanes, V="{V}")
        for o in range(tile.filters)
        for v in range(tile.vectors)
    )


def _loads(tile: Tile, element: str, itemsize: int) -> str:
    lines = []
    for v in range(tile.vectors):
        lines.append(f"  %x.{v}.at = getelementptr {element}, ptr %x, i64 {v * tile.lanes}")
        lines.append(f"  %x.{v} = load V , ptr %x.{v}.at, align {itemsize}")
    for o in range(tile.filters):
        lines.append(f"  %w.{o}.at = getelementptr {element}, ptr %w, i64 {o}")
        lines.append(f"  %w.{o} = load {element}, ptr %w.{o}.at")
        lines.append(f"  %one.{o} = insertelement V poison, {element} %w.{o}, i64 0")
        lines.append(
            f"  %all.{o} = shufflevector V %one.{o}, V poison, <{tile.lanes} x i32> zeroinitializer"
        )
    return "\n".join(lines) + "\n"


_MULTIPLY_ADD = """\
  %product.{o}.{v} = fmul contract V %x.{v}, %all.{o}
  %sum.{o}.{v} = fadd contract V %c.{o}.{v}, %product.{o}.{v}"""

_STORE = """\
  %line.{o}.{v} = mul i64 %distance, {o}
  %where.{o}.{v} = add i64 %line.{o}.{v}, {at}
  %to.{o}.{v} = getelementptr {t}, ptr %result, i64 %where.{o}.{v}
  store V %sum.{o}.{v}, ptr %to.{o}.{v}, align {item}"""

# For each channel, for each row of the filter, for each of its columns: a tap of all filters.
_TILE = """\
declare ptr @malloc(i64)
declare void @free(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define internal void @tile(ptr %input, ptr %weights, ptr %result, i64 %distance, i64 %depth,
                           i64 %kh, i64 %plane, i64 %down.by) {{
entry:
  br label %channel
channel:
  %i = phi i64 [0, %entry], [%i.next, %next]
  %x.channel = phi ptr [%input, %entry], [%x.channel.next, %next]
  %w.channel = phi ptr [%weights, %entry], [%w.next, %next]
{start}
  br label %down
down:
  %y = phi i64 [0, %channel], [%y.next, %right]
  %x.row = phi ptr [%x.channel, %channel], [%x.row.next, %right]
  %w.row = phi ptr [%w.channel, %channel], [%w.next, %right]
{row}
  br label %tap
tap:
  %k = phi i64 [0, %down], [%k.next, %tap]
  %x = phi ptr [%x.row, %down], [%x.next, %tap]
  %w = phi ptr [%w.row, %down], [%w.next, %tap]
{tap}
{body}
  %x.next = getelementptr {t}, ptr %x, i64 {right}
  %w.next = getelementptr {t}, ptr %w, i64 {filters}
  %k.next = add i64 %k, 1
  %more.taps = icmp slt i64 %k.next, {kw}
  br i1 %more.taps, label %tap, label %right
right:
  %x.row.next = getelementptr {t}, ptr %x.row, i64 %down.by
  %y.next = add i64 %y, 1
  %more.rows = icmp slt i64 %y.next, %kh
  br i1 %more.rows, label %down, label %next
next:
  %x.channel.next = getelementptr {t}, ptr %x.channel, i64 %plane
  %i.next = add i64 %i, 1
  %more.channels = icmp slt i64 %i.next, %depth
  br i1 %more.channels, label %channel, label %done
done:
{stores}
  ret void
}}
"""

# A unit: copy its input rows, then for each tile of filters make the result's rows, tile by tile.
_ENTRY = """
define void @direct(i64 %args, i64 %lo, i64 %hi) {{
entry:
  %table = inttoptr i64 %args to ptr
{words}
  %x.data = inttoptr i64 %x to ptr
  %w.data = inttoptr i64 %w to ptr
  %out.data = inttoptr i64 %out to ptr
  %lines = add i64 %step, %halo
  %plane = mul i64 %lines, %row
  %planes = mul i64 %plane, %depth
  %flat = mul i64 %step, %row
  %flat.up = add i64 %flat, {last_lane}
  %tiles = sdiv i64 %flat.up, {width}
  %distance = mul i64 %tiles, {width}
  %over.0 = add i64 %planes, {reach}
  %over.1 = add i64 %over.0, {width}
  %results = mul i64 %distance, {filters}
  %room = add i64 %over.1, %results
  %bytes = mul i64 %room, {item}
  %memory = call ptr @malloc(i64 %bytes)
  %buffer = getelementptr {t}, ptr %memory, i64 %over.1
  %taps.row = mul i64 %kh, {kw}
  %taps = mul i64 %taps.row, %depth
  %taps.tile = mul i64 %taps, {filters}
  %filters.up = add i64 %filters, {last_filter}
  %filter.tiles = sdiv i64 %filters.up, {filters}
  %taps.group = mul i64 %taps.tile, %filter.tiles
  %picture = mul i64 %height, %width
  %row.bytes = mul i64 %row, {item}
  %width.bytes = mul i64 %width, {item}
  %column.bytes = mul i64 %columns, {item}
  %unit.0 = icmp slt i64 %lo, %hi
  br i1 %unit.0, label %unit, label %end
unit:
  %u = phi i64 [%lo, %entry], [%u.next, %unit.end]
  %block = srem i64 %u, %blocks
  %pg = sdiv i64 %u, %blocks
  %group = srem i64 %pg, %groups
  %y0 = mul i64 %block, %step
  %y0.end = add i64 %y0, %step
  %y1 = call i64 @llvm.smin.i64(i64 %y0.end, i64 %rows)
  %y.count = sub i64 %y1, %y0
  %source.planes = mul i64 %pg, %depth
  %source.offset = mul i64 %source.planes, %picture
  %source = getelementptr {t}, ptr %x.data, i64 %source.offset
  %first = sub i64 %y0, %top
  %some.rows = icmp sgt i64 %y.count, 0
  br i1 %some.rows, label %plane.copy, label %unit.end
plane.copy:
  %c = phi i64 [0, %unit], [%c.next, %plane.end]
  %c.from = mul i64 %c, %picture
  %c.source = getelementptr {t}, ptr %source, i64 %c.from
  %c.to = mul i64 %c, %plane
  %c.target = getelementptr {t}, ptr %memory, i64 %c.to
  br label %line.copy
line.copy:
  %l = phi i64 [0, %plane.copy], [%l.next, %line.end]
  %l.to = mul i64 %l, %row
  %l.target = getelementptr {t}, ptr %c.target, i64 %l.to
  call void @llvm.memset.p0.i64(ptr %l.target, i8 0, i64 %row.bytes, i1 false)
  %l.y = add i64 %first, %l
  %inside = icmp ult i64 %l.y, %height
  br i1 %inside, label %line.inside, label %line.end
line.inside:
  %l.from = mul i64 %l.y, %width
  %l.source = getelementptr {t}, ptr %c.source, i64 %l.from
  %l.middle = getelementptr {t}, ptr %l.target, i64 %left
  call void @llvm.memcpy.p0.p0.i64(ptr %l.middle, ptr %l.source, i64 %width.bytes, i1 false)
  br label %line.end
line.end:
  %l.next = add i64 %l, 1
  %more.lines = icmp slt i64 %l.next, %lines
  br i1 %more.lines, label %line.copy, label %plane.end
plane.end:
  %c.next = add i64 %c, 1
  %more.planes = icmp slt i64 %c.next, %depth
  br i1 %more.planes, label %plane.copy, label %filter.start
filter.start:
  %group.offset = mul i64 %group, %taps.group
  %group.w = getelementptr {t}, ptr %w.data, i64 %group.offset
  br label %filter
filter:
  %f = phi i64 [0, %filter.start], [%f.next, %filter.end]
  %f.offset = mul i64 %f, %taps.tile
  %f.w = getelementptr {t}, ptr %group.w, i64 %f.offset
  br label %across
across:
  %a = phi i64 [0, %filter], [%a.next, %across]
  %a.offset = mul i64 %a, {width}
  %a.x = getelementptr {t}, ptr %memory, i64 %a.offset
  %a.to = getelementptr {t}, ptr %buffer, i64 %a.offset
  call void @tile(ptr %a.x, ptr %f.w, ptr %a.to, i64 %distance, i64 %depth, i64 %kh,
                  i64 %plane, i64 %down)
  %a.next = add i64 %a, 1
  %more.tiles = icmp slt i64 %a.next, %tiles
  br i1 %more.tiles, label %across, label %copy.out
copy.out:
  %done = mul i64 %f, {filters}
  %left.over = sub i64 %filters, %done
  %some = call i64 @llvm.smin.i64(i64 %left.over, i64 {filters})
  %pg.filters = mul i64 %pg, %filters
  %filter.0 = add i64 %pg.filters, %done
  br label %out.plane
out.plane:
  %o = phi i64 [0, %copy.out], [%o.next, %out.plane.end]
  %o.from = mul i64 %o, %distance
  %o.source = getelementptr {t}, ptr %buffer, i64 %o.from
  %o.filter = add i64 %filter.0, %o
  %o.rows = mul i64 %o.filter, %rows
  %o.row = add i64 %o.rows, %y0
  %o.to = mul i64 %o.row, %columns
  %o.target = getelementptr {t}, ptr %out.data, i64 %o.to
  br label %out.line
out.line:
  %r = phi i64 [0, %out.plane], [%r.next, %out.line]
  %r.from = mul i64 %r, %row
  %r.source = getelementptr {t}, ptr %o.source, i64 %r.from
  %r.to = mul i64 %r, %columns
  %r.target = getelementptr {t}, ptr %o.target, i64 %r.to
  call void @llvm.memcpy.p0.p0.i64(ptr %r.target, ptr %r.source, i64 %column.bytes, i1 false)
  %r.next = add i64 %r, 1
  %more.out = icmp slt i64 %r.next, %y.count
  br i1 %more.out, label %out.line, label %out.plane.end
out.plane.end:
  %o.next = add i64 %o, 1
  %more.out.planes = icmp slt i64 %o.next, %some
  br i1 %more.out.planes, label %out.plane, label %filter.end
filter.end:
  %f.next = add i64 %f, 1
  %more.filters = icmp slt i64 %f.next, %filter.tiles
  br i1 %more.filters, label %filter, label %unit.end
unit.end:
  %u.next = add i64 %u, 1
  %more.units = icmp slt i64 %u.next, %hi
  br i1 %more.units, label %unit, label %end
end:
  call void @free(ptr %memory)
  ret void
}}
declare i64 @llvm.smin.i64(i64, i64)
"""
