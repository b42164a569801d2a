"""Runs the benchmarks: `python -m benchmarks --help`."""

from __future__ import annotations

from benchmarks import threads


def main() -> None:
    """Set the number of threads before any library is loaded, then run the command."""
    threads.limit()
    from benchmarks.cli import command

    command(prog_name="python -m benchmarks")


if __name__ == "__main__":
    main()
