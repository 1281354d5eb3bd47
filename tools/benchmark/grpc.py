"""The calls that h2load makes of etcd: protobuf messages of etcdserverpb.KV, in gRPC's framing.

h2load repeats one body, so each load writes or reads the same keys all the time.
"""

import struct

KEY = b"bench/r/00000001"
FIELD_BYTES = 2  # protobuf's wire type of what has a length


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def _bytes(field, value):
    return _varint(field << 3 | FIELD_BYTES) + _varint(len(value)) + value


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def put(key, value):
    return _bytes(1, key) + _bytes(2, value)


def range_(key, end=None, serializable=False):
    message = _bytes(1, key)
    message += _bytes(2, end) if end else b""
    return message + (_number(7, 1) if serializable else b"")


def transaction(puts):
    return b"".join(_bytes(2, _bytes(2, one)) for one in puts)


def framed(message):
    """Not compressed, the length, the message."""
    return b"\0" + struct.pack(">I", len(message)) + message


# One message for both calls of the mix: the fields 1 and 2 are key and value of a put, and first key and end of a range. An end just
# behind the key makes it a read of that key.
_MIX = put(KEY, (KEY + b"\0").ljust(256, b"v"))

MESSAGES = {
    "put256": put(b"bench/p/00000001", b"v" * 256),
    "put4k": put(b"bench/q/00000001", b"v" * 4096),
    "get": range_(KEY),
    "stale": range_(KEY, serializable=True),
    "mix": _MIX,
    "batch": transaction([put(b"bench/b/%08d" % number, b"v" * 256) for number in range(100)]),
    # An end just behind the hundredth key: etcd counts all keys before the end, also those beyond a limit.
    "range": range_(KEY, b"bench/r/00000101"),
}
# Called in turn.
CALLS = {
    "put256": ["Put"],
    "put4k": ["Put"],
    "get": ["Range"],
    "stale": ["Range"],
    "mix": ["Range"] * 9 + ["Put"],
    "batch": ["Txn"],
    "range": ["Range"],
}
