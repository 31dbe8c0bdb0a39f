"""What a builder keeps of builds: the products used last, or the refusals, within bounds. No I/O."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from accelpool_node.builder.messages import Build, encode

MAX_ENTRIES = 4096
MAX_BYTES = 256 << 20


def key_of(build: Build) -> bytes:
    """Return what stands for a build: SHA-256 of its devices, source and options, each with its length."""
    return hashlib.sha256(encode(build)).digest()


class Store:
    """Encoded products, or why there is none, by key; whichever was not used for longest goes first.

    Args:
        entries: How many there may be.
        size: How many bytes they may take.

    Attributes:
        bytes: What they take.
    """

    def __init__(self, entries: int = MAX_ENTRIES, size: int = MAX_BYTES) -> None:
        self.bytes = 0
        self._entries = entries
        self._size = size
        self._products: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._products)

    def get(self, key: bytes) -> bytes | None:
        """Return a product, which was thereby used."""
        product = self._products.get(key)
        if product is not None:
            self._products.move_to_end(key)
        return product

    def put(self, key: bytes, product: bytes) -> None:
        """Keep a product, at the cost of others; one that is too large alone is not kept."""
        if len(product) > self._size:
            return
        self.bytes += len(product) - len(self._products.pop(key, b""))
        self._products[key] = product
        while len(self._products) > self._entries or self.bytes > self._size:
            _, oldest = self._products.popitem(last=False)
            self.bytes -= len(oldest)
