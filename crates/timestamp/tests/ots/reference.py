"""Reads proofs in hex, a line each, and says what the Python reference makes of them."""

import sys

from opentimestamps.core.serialize import (
    BytesDeserializationContext,
    BytesSerializationContext,
    DeserializationError,
)
from opentimestamps.core.timestamp import DetachedTimestampFile


def look(data):
    try:
        proof = DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
    except (DeserializationError, ValueError):
        return "refused"
    out = BytesSerializationContext()
    proof.serialize(out)
    lines = proof.timestamp.str_tree().splitlines()
    tree = "\n".join(line.split("Unknown")[0] for line in lines)
    return out.getbytes().hex() + " " + tree.encode().hex()


for line in sys.stdin:
    print(look(bytes.fromhex(line.strip())))
