"""accelpool_wire: the data plane protocol between clients and workers."""
