"""The reference library of OpenTimestamps at the same work: one JSON object on standard output.

usage: reference.py LEAVES PROOFS.hex
"""

import json
import os
import resource
import sys
import time

from opentimestamps.core.serialize import BytesDeserializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp, make_merkle_tree


def merkle(count):
    leaves = [Timestamp(os.urandom(32)) for _ in range(count)]
    start = time.perf_counter()
    make_merkle_tree(leaves)
    return count / (time.perf_counter() - start)


def proofs(path):
    with open(path) as file:
        lines = [bytes.fromhex(line) for line in file]
    start = time.perf_counter()
    for line in lines:
        proof = DetachedTimestampFile.deserialize(BytesDeserializationContext(line))
        # Reading computes all messages already; this only lists them.
        assert len(list(proof.timestamp.all_attestations())) == 2
    return len(lines) / (time.perf_counter() - start)


leaves = int(sys.argv[1])
print(
    json.dumps(
        {
            "proofs_per_s": proofs(sys.argv[2]),
            "leaves": leaves,
            "leaves_per_s": merkle(leaves),
            "max_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )
)
