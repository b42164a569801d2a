"""Kernels for NVIDIA GPUs: source, launch shapes, PTX and machine code. No GPU is needed for any of it."""
