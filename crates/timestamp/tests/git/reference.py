"""Answers questions about git objects, a line of JSON each, as the Python reference sees them."""

import dbm
import hashlib
import io
import json
import logging
import os
import sys
import tempfile
import zlib

import git
from opentimestamps.core.git import GitTreeTimestamper
from opentimestamps.core.serialize import BytesSerializationContext
from otsclient.git import (
    deserialize_ascii_armored_timestamp,
    extract_sig_from_git_commit,
    write_ascii_armored,
)

logging.disable(logging.CRITICAL)


def write_object(repo, kind, data):
    data = f"{kind} {len(data)}\0".encode() + data
    name = hashlib.sha1(data).hexdigest()
    folder = os.path.join(repo.git_dir, "objects", name[:2])
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name[2:]), "wb") as file:
        file.write(zlib.compress(data))


def way(timestamp):
    ops = []
    while timestamp.ops:
        ((op, timestamp),) = timestamp.ops.items()
        ops.append(str(op))
    return ops


def tree(question):
    with tempfile.TemporaryDirectory() as folder:
        repo = git.Repo.init(folder)
        for kind, data in question["objects"]:
            write_object(repo, kind, bytes.fromhex(data))
        top = repo.tree(question["tree"])
        top.path = ""
        root = GitTreeTimestamper(top, db=dbm.open(folder + "/cache", "c")).timestamp
        files = []
        for path in question["paths"]:
            # Anew for each: the reference's own paths grow together otherwise.
            stamper = GitTreeTimestamper(top, db=dbm.open(folder + "/cache", "c"))
            file = stamper[path]
            files.append([file.file_digest.hex(), way(file.timestamp)])
        return {"root": root.msg.hex(), "files": files}


def commit(question):
    return [part.hex() for part in extract_sig_from_git_commit(bytes.fromhex(question["commit"]))]


def text(question):
    found = deserialize_ascii_armored_timestamp(
        bytes.fromhex(question["payload"]), bytes.fromhex(question["signature"])
    )
    _, minor_version, timestamp = found
    if timestamp is None:
        return None
    out = BytesSerializationContext()
    timestamp.serialize(out)
    armored = io.BytesIO()
    write_ascii_armored(timestamp, armored, minor_version)
    return [
        timestamp.msg.hex(),
        minor_version,
        out.getbytes().hex(),
        armored.getvalue().hex(),
    ]


def answer(question):
    try:
        return {"tree": tree, "commit": commit, "text": text}[question["do"]](question)
    except SystemExit:
        return None


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), separators=(",", ":")))
