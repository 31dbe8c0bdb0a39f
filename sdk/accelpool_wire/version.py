"""The one place that states accelpool's version."""

__version__ = "0.1.0"
