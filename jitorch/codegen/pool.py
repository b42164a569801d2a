"""A thread pool in LLVM assembly: `parallel_for` for compiled code, a few microseconds a launch.

One launch at a time has the pool; whoever finds it busy (another thread, or a kernel inside a
kernel) runs its range alone. The launcher publishes a job, wakes sleeping workers, takes chunks
itself, and waits for the chunks others took. A worker that comes late finds nothing left.

`@ticket` says it all: the job's number in the upper half, the next chunk in the lower. A chunk is
taken by a compare-and-swap of the ticket, which fails if the job changed meanwhile; so a worker may
read the job's fields at any time and believe them only once it has a chunk. Job numbers go by two:
the odd ones mark fields that are being written.

    struct job { entry, args, n, chunk, chunks, threads };
    parallel_for(entry, args, n, grain):
        if n <= grain or threads == 1 or not try_lock(busy): return entry(args, 0, n)
        start missing workers; publish; wake; work(0); wait until done == chunks; busy = 0

Workers spin for some 50 us after a job, then sleep: an idle pool costs nothing.
"""

from __future__ import annotations

import platform
import sys

_TEXT = """
@ticket   = internal global i64 0, align 64
@done     = internal global i64 0, align 64
@busy     = internal global i64 0, align 64
@sleepers = internal global i64 0
@waiting  = internal global i64 0
@threads  = internal global i64 1
@workers  = internal global i64 0
@entry    = internal global i64 0, align 64
@args     = internal global i64 0
@n        = internal global i64 0
@chunk    = internal global i64 0
@chunks   = internal global i64 0
@limit    = internal global i64 0
; Larger than any system's mutex, condition and signal set.
@mutex    = internal global [128 x i8] zeroinitializer, align 64
@wake     = internal global [128 x i8] zeroinitializer, align 64
@finished = internal global [128 x i8] zeroinitializer, align 64

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i64 @llvm.umin.i64(i64, i64)
{declare_pause}

; Take chunks of job %job until none is left. %index is 0 for the launcher, 1... for workers.
define internal void @work(i64 %index, i64 %job) {{
start:
  br label %again
again:
  %ticket = load atomic i64, ptr @ticket acquire, align 8
  %now = lshr i64 %ticket, 32
  %i = and i64 %ticket, 4294967295
  %same = icmp eq i64 %now, %job
  %entry = load atomic i64, ptr @entry monotonic, align 8
  %args = load atomic i64, ptr @args monotonic, align 8
  %n = load atomic i64, ptr @n monotonic, align 8
  %chunk = load atomic i64, ptr @chunk monotonic, align 8
  %chunks = load atomic i64, ptr @chunks monotonic, align 8
  %limit = load atomic i64, ptr @limit monotonic, align 8
  %more = icmp ult i64 %i, %chunks
  %mine = icmp ult i64 %index, %limit
  %ok.0 = and i1 %same, %more
  %ok = and i1 %ok.0, %mine
  br i1 %ok, label %take, label %out
take:
  fence acquire
  %next = add i64 %ticket, 1
  %swap = cmpxchg ptr @ticket, i64 %ticket, i64 %next acq_rel monotonic
  %taken = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %taken, label %run, label %again
run:
  %lo = mul i64 %i, %chunk
  %end = add i64 %lo, %chunk
  %hi = call i64 @llvm.umin.i64(i64 %end, i64 %n)
  %function = inttoptr i64 %entry to ptr
  call void %function(i64 %args, i64 %lo, i64 %hi)
  %before = atomicrmw add ptr @done, i64 1 seq_cst
  %count = add i64 %before, 1
  %last = icmp eq i64 %count, %chunks
  br i1 %last, label %tell, label %again
tell:
  %asleep = load atomic i64, ptr @waiting seq_cst, align 8
  %wanted = icmp ne i64 %asleep, 0
  br i1 %wanted, label %signal, label %out
signal:
  %1 = call i32 @pthread_mutex_lock(ptr @mutex)
  %2 = call i32 @pthread_cond_signal(ptr @finished)
  %3 = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %out
out:
  ret void
}}

define internal ptr @worker(ptr %argument) {{
start:
  %index = ptrtoint ptr %argument to i64
  br label %look
look:
  %seen = phi i64 [ -1, %start ], [ %job, %busy ]
  br label %spin
spin:
  %turn = phi i64 [ 0, %look ], [ %turn.next, %idle ]
  %ticket = load atomic i64, ptr @ticket acquire, align 8
  %job.0 = lshr i64 %ticket, 32
  %new.0 = icmp ne i64 %job.0, %seen
  br i1 %new.0, label %busy, label %idle
idle:
  {pause}
  %turn.next = add i64 %turn, 1
  %tired = icmp ugt i64 %turn.next, {worker_spins}
  br i1 %tired, label %sleep, label %spin
sleep:
  %1 = call i32 @pthread_mutex_lock(ptr @mutex)
  %2 = atomicrmw add ptr @sleepers, i64 1 seq_cst
  br label %check
check:
  %ticket.1 = load atomic i64, ptr @ticket seq_cst, align 8
  %job.1 = lshr i64 %ticket.1, 32
  %new.1 = icmp ne i64 %job.1, %seen
  br i1 %new.1, label %woken, label %wait
wait:
  %3 = call i32 @pthread_cond_wait(ptr @wake, ptr @mutex)
  br label %check
woken:
  %4 = atomicrmw sub ptr @sleepers, i64 1 seq_cst
  %5 = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %busy
busy:
  %job = phi i64 [ %job.0, %spin ], [ %job.1, %woken ]
  call void @work(i64 %index, i64 %job)
  br label %look
}}

; Start the workers that are missing, with all signals blocked: those are for Python's threads.
define internal void @start(i64 %threads) {{
  %thread = alloca i64
  %all = alloca [128 x i8], align 8
  %old = alloca [128 x i8], align 8
  %first = load i64, ptr @workers
  %wanted = sub i64 %threads, 1
  %missing = icmp slt i64 %first, %wanted
  br i1 %missing, label %block, label %out
block:
  %1 = call i32 @sigfillset(ptr %all)
  %2 = call i32 @pthread_sigmask(i32 {sig_setmask}, ptr %all, ptr %old)
  br label %next
next:
  %count = phi i64 [ %first, %block ], [ %index, %created ]
  %index = add i64 %count, 1
  %argument = inttoptr i64 %index to ptr
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %argument)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %created, label %restore
created:
  %handle = load ptr, ptr %thread
  %3 = call i32 @pthread_detach(ptr %handle)
  store i64 %index, ptr @workers
  %enough = icmp sge i64 %index, %wanted
  br i1 %enough, label %restore, label %next
restore:
  %4 = call i32 @pthread_sigmask(i32 {sig_setmask}, ptr %old, ptr null)
  br label %out
out:
  ret void
}}

; Wake as many sleepers as there are chunks for; all, if some of them may not take any.
define internal void @rouse(i64 %wanted, i64 %threads) {{
  %sleepers = load atomic i64, ptr @sleepers seq_cst, align 8
  %none = icmp eq i64 %sleepers, 0
  br i1 %none, label %out, label %lock
lock:
  %1 = call i32 @pthread_mutex_lock(ptr @mutex)
  %workers = load i64, ptr @workers
  %barred = icmp sge i64 %workers, %threads
  br i1 %barred, label %all, label %some
all:
  %2 = call i32 @pthread_cond_broadcast(ptr @wake)
  br label %unlock
some:
  %count = call i64 @llvm.umin.i64(i64 %wanted, i64 %sleepers)
  br label %each
each:
  %k = phi i64 [ 0, %some ], [ %k.next, %each ]
  %3 = call i32 @pthread_cond_signal(ptr @wake)
  %k.next = add i64 %k, 1
  %enough = icmp uge i64 %k.next, %count
  br i1 %enough, label %unlock, label %each
unlock:
  %4 = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %out
out:
  ret void
}}

; Wait until all chunks are done: spin a while, then sleep.
define internal void @join(i64 %chunks) {{
start:
  br label %spin
spin:
  %turn = phi i64 [ 0, %start ], [ %turn.next, %idle ]
  %done.0 = load atomic i64, ptr @done seq_cst, align 8
  %all.0 = icmp eq i64 %done.0, %chunks
  br i1 %all.0, label %out, label %idle
idle:
  {pause}
  %turn.next = add i64 %turn, 1
  %tired = icmp ugt i64 %turn.next, {launcher_spins}
  br i1 %tired, label %sleep, label %spin
sleep:
  %1 = call i32 @pthread_mutex_lock(ptr @mutex)
  store atomic i64 1, ptr @waiting seq_cst, align 8
  br label %check
check:
  %done.1 = load atomic i64, ptr @done seq_cst, align 8
  %all.1 = icmp eq i64 %done.1, %chunks
  br i1 %all.1, label %awake, label %wait
wait:
  %2 = call i32 @pthread_cond_wait(ptr @finished, ptr @mutex)
  br label %check
awake:
  store atomic i64 0, ptr @waiting seq_cst, align 8
  %3 = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %out
out:
  ret void
}}

; Elements per chunk: up to four chunks a thread, as many for each; whole cache lines if large.
define internal i64 @chunk_size(i64 %n, i64 %grain, i64 %threads) {{
  %n.1 = add i64 %n, %grain
  %n.2 = sub i64 %n.1, 1
  %most = udiv i64 %n.2, %grain
  %four = mul i64 %threads, 4
  %pieces.0 = call i64 @llvm.umin.i64(i64 %most, i64 %four)
  %rest = urem i64 %pieces.0, %threads
  %even = sub i64 %pieces.0, %rest
  %few = icmp ult i64 %pieces.0, %threads
  %pieces = select i1 %few, i64 %pieces.0, i64 %even
  %n.3 = add i64 %n, %pieces
  %n.4 = sub i64 %n.3, 1
  %size = udiv i64 %n.4, %pieces
  %up = add i64 %size, 63
  %round = and i64 %up, -64
  %large = icmp ugt i64 %size, 1024
  %result = select i1 %large, i64 %round, i64 %size
  ret i64 %result
}}

define internal void @parallel_for(i64 %entry, i64 %args, i64 %n, i64 %grain) {{
  %threads = load atomic i64, ptr @threads monotonic, align 8
  %floor = icmp slt i64 %grain, 1
  %least = select i1 %floor, i64 1, i64 %grain
  %small = icmp sle i64 %n, %least
  %single = icmp sle i64 %threads, 1
  %alone = or i1 %small, %single
  br i1 %alone, label %serial, label %try
try:
  %got = cmpxchg ptr @busy, i64 0, i64 1 acquire monotonic
  %mine = extractvalue {{ i64, i1 }} %got, 1
  br i1 %mine, label %publish, label %serial
serial:
  %function = inttoptr i64 %entry to ptr
  call void %function(i64 %args, i64 0, i64 %n)
  ret void
publish:
  call void @start(i64 %threads)
  %chunk = call i64 @chunk_size(i64 %n, i64 %least, i64 %threads)
  %n.1 = add i64 %n, %chunk
  %n.2 = sub i64 %n.1, 1
  %chunks = udiv i64 %n.2, %chunk
  %ticket = load atomic i64, ptr @ticket monotonic, align 8
  %old = lshr i64 %ticket, 32
  %writing = add i64 %old, 1
  %ticket.0 = shl i64 %writing, 32
  %ticket.1 = or i64 %ticket.0, 4294967295  ; no chunk has this number
  %1 = atomicrmw xchg ptr @ticket, i64 %ticket.1 seq_cst
  fence seq_cst
  store atomic i64 %entry, ptr @entry monotonic, align 8
  store atomic i64 %args, ptr @args monotonic, align 8
  store atomic i64 %n, ptr @n monotonic, align 8
  store atomic i64 %chunk, ptr @chunk monotonic, align 8
  store atomic i64 %chunks, ptr @chunks monotonic, align 8
  store atomic i64 %threads, ptr @limit monotonic, align 8
  store atomic i64 0, ptr @done monotonic, align 8
  %job.0 = add i64 %old, 2
  %job = and i64 %job.0, 4294967295
  %ticket.2 = shl i64 %job, 32
  %2 = atomicrmw xchg ptr @ticket, i64 %ticket.2 seq_cst
  %others = sub i64 %chunks, 1
  call void @rouse(i64 %others, i64 %threads)
  call void @work(i64 0, i64 %job)
  call void @join(i64 %chunks)
  store atomic i64 0, ptr @busy release, align 8
  ret void
}}

; Set the number of threads and put the address of @parallel_for into %table. With %fresh, forget
; the workers: at first, and in a forked child, which has none of them.
define void @{symbol}(i64 %table, i64 %threads, i64 %fresh) {{
  %first = icmp ne i64 %fresh, 0
  br i1 %first, label %forget, label %set
forget:
  store i64 0, ptr @workers
  store i64 0, ptr @sleepers
  store i64 0, ptr @waiting
  store i64 0, ptr @busy
  store i64 0, ptr @chunks  ; nobody is to go on with the parent's job
  %1 = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %2 = call i32 @pthread_cond_init(ptr @wake, ptr null)
  %3 = call i32 @pthread_cond_init(ptr @finished, ptr null)
  br label %set
set:
  store atomic i64 %threads, ptr @threads monotonic, align 8
  %slot = inttoptr i64 %table to ptr
  store ptr @parallel_for, ptr %slot
  ret void
}}
"""

# How a processor is told that this is a spin loop.
_PAUSES = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "amd64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
    "arm64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

SYMBOL = "jitorch_pool"


def available() -> bool:
    """Whether the pool runs here: it is written for POSIX threads."""
    return sys.platform != "win32"


def text() -> str:
    """The pool as LLVM assembly for this system; its entry is `SYMBOL`(table, threads, fresh)."""
    declare, call = _PAUSES.get(platform.machine().lower(), ("", ""))
    return _TEXT.format(
        declare_pause=declare,
        pause=call,
        symbol=SYMBOL,
        worker_spins=1000,
        launcher_spins=4000,
        sig_setmask=3 if sys.platform == "darwin" else 2,
    )
