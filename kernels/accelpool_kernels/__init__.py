"""accelpool_kernels: a library of OpenCL kernels, each with a catalogue entry and a NumPy twin."""
