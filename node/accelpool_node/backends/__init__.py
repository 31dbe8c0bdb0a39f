"""One package per driver API, all behind the `Backend` protocol of `base`, part by part."""
