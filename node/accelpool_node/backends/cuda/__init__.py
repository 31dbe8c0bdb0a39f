"""The CUDA backend, through PyCUDA. The one package that imports it: `backend` does, and has the class.

Devices, contexts, streams, events and copies are PyCUDA's. What it has no names for, or does with the
interpreter held, is asked of the driver itself in `driver`: modules and their kernels, launches, and memory
that is given back.
"""
