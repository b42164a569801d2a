"""`python -m jitorch`: the command line."""

from __future__ import annotations

from jitorch.cli import main

if __name__ == "__main__":
    main()
