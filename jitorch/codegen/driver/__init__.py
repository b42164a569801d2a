"""Loops as native functions; `write_loop` in `steps` is the way in."""
