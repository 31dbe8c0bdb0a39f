"""One file per driver API, all behind the `Backend` protocol of `base.py`."""
