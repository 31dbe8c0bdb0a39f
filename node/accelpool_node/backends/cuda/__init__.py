"""The CUDA backend, through PyCUDA. The one package that imports it: `backend` does, and has the class.

Devices, their primary contexts and nvcc are PyCUDA's. What it has no names for, or does with the interpreter
held or with a stack of contexts, is asked of the driver itself: in `driver` modules, their kernels and
launches, in `streams` streams, events and copies.
"""
