"""One measurement that needs a process of its own; prints its result as a line of JSON.

python -m benchmarks.child first-call jitorch
python -m benchmarks.child compile jitorch 300
python -m benchmarks.child memory jitorch 'softmax 2048x1024'
python -m benchmarks.child leak 2000
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import threads


def contender_named(name: str) -> Any:
    """Return a contender that has been started."""
    from benchmarks.contenders import CONTENDERS

    contender = next(each for each in CONTENDERS if each.name == name)()
    contender.start()
    return contender


def workload_named(name: str) -> Any:
    from benchmarks.workloads import WORKLOADS

    return next(each for each in WORKLOADS if each.name == name)


# ---------------------------------------------------------------------------------------- compiling

FIRST, SECOND = "layer norm 2048x1024", "black-scholes 1M float32"


def first_call(name: str) -> dict[str, Any]:
    """Return the seconds of the first calls of two functions; the library is loaded before."""
    contender = contender_named(name)
    seconds = []
    for workload in map(workload_named, (FIRST, SECOND)):
        args = contender.convert(workload, workload.make_inputs(workload.small))
        start = time.perf_counter()
        contender.call(contender.function(workload, args), args)()
        seconds.append(time.perf_counter() - start)
    return {"first": seconds[0], "second": seconds[1], "numba": "numba" in sys.modules}


def compile_many(name: str, count: str) -> dict[str, Any]:
    """Return the seconds of the first call of a function of so many operations."""
    from dataclasses import replace

    from benchmarks import generated
    from benchmarks.workloads import overhead

    contender = contender_named(name)
    with tempfile.TemporaryDirectory() as folder:
        run = generated.load(Path(folder), int(count), name)
        workload = replace(
            overhead.call("arrays"),
            numpy=run,
            jitorch=run,
            torch=lambda torch: run,
            jax=lambda jax: run,
        )
        args = contender.convert(workload, generated.inputs())
        start = time.perf_counter()
        contender.call(contender.function(workload, args), args)()
        return {"seconds": time.perf_counter() - start}


# ------------------------------------------------------------------------------------------- memory


def status(field: str) -> int:
    """Return a size of this process in bytes: VmRSS now, or VmHWM, the largest since the reset."""
    found = re.search(rf"^{field}:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    assert found, f"the system does not tell {field}"
    return int(found[1]) * 1024


def trim() -> None:
    """Give free memory back to the system, as far as it can be done."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def memory(name: str, workload_name: str) -> dict[str, Any]:
    """Return by how much the process grew during a call at most, and the sizes of what it handles.

    The call is the second: compilers and pools of threads have taken their memory.
    """
    from benchmarks.suite import bytes_of

    contender, workload = contender_named(name), workload_named(workload_name)
    inputs = workload.make_inputs(workload.sizes)
    args = contender.convert(workload, inputs)
    function = contender.function(workload, args)
    if function is None:
        return {"growth": None}
    call = contender.call(function, args)
    call()
    trim()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    result = call()
    growth = status("VmHWM") - before
    return {
        "growth": growth,
        "inputs": bytes_of(inputs),
        "outputs": bytes_of(contender.results(result)),
    }


def leak(count: str) -> dict[str, Any]:
    """Compile functions one after the other and drop them; return the resident size on the way."""
    import numpy as np

    import jitorch

    x = np.ones(1000, np.float32)
    curve = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(int(count)):
            path = Path(folder) / f"dropped_{i}.py"
            path.write_text(f"def run(x):\n    return (x * {i}.5 + 1).sum()\n", encoding="utf-8")
            names: dict[str, Any] = {}
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
            jitorch.script(names["run"])(x)
            del names
            if i % 20 == 0:
                trim()
                curve.append((i + 1, status("VmRSS")))
    return {"curve": curve}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "first-call": first_call,
    "compile": compile_many,
    "memory": memory,
    "leak": leak,
}


def main() -> None:
    """Carry out the task that the command line names."""
    threads.limit()
    task, *args = sys.argv[1:]
    print(json.dumps(TASKS[task](*args)))


if __name__ == "__main__":
    main()
