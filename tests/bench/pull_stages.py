# SPDX-License-Identifier: Apache-2.0
"""Where the time of a pull goes: its stages one after another, and the work of its threads.

The clocks are put around pypod's functions from outside: pypod itself has none.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

PROGRAM = """
import sys, time
begin = time.monotonic()
sys.path.insert(0, sys.argv[1])
report = int(sys.argv[2])
import os, threading
from pypod import module_file
module_file.use(sys.argv[1].partition("/lib/python")[0] + "/pypod-modules", sys.argv[1])
import pypod.__main__
import pypod.cli.transfer
from pypod.engine import fetch, images, packing, transfer, unpack
from pypod.registry import client
from pypod.runtime import files
from pypod.store import blobs

marks = [("python", begin, 0.0)]
spent = {}
local, lock = threading.local(), threading.Lock()

def mark(name):
    used = os.times()
    marks.append((name, time.monotonic(), sum(used[:4])))

def charge(stack):
    now, cpu = time.monotonic(), time.thread_time()
    if stack:
        with lock:
            found = spent.setdefault(stack[-1], [0.0, 0.0])
            found[0] += now - local.at[0]
            found[1] += cpu - local.at[1]
    local.at = now, cpu

def clocked(stage, act):
    def call(*args, **kwargs):
        stack = local.__dict__.setdefault("stack", [])
        charge(stack)
        stack.append(stage)
        try:
            return act(*args, **kwargs)
        finally:
            charge(stack)
            stack.pop()
    return call

def wrap(owner, name, stage):
    setattr(owner, name, clocked(stage, getattr(owner, name)))

def marked(owner, name, before=None, after=None):
    real = getattr(owner, name)
    def call(*args, **kwargs):
        if before:
            mark(before)
        found = real(*args, **kwargs)
        if after:
            mark(after)
        return found
    setattr(owner, name, call)

class Hash:
    def __init__(self, real):
        self.update, self.hexdigest = clocked("hash", real.update), real.hexdigest

def hashed(owner, name):
    real = getattr(owner, name)
    setattr(owner, name, lambda *args: Hash(real(*args)))

chunks = client.Answer.chunks
def fetched(answer):
    body = iter(chunks(answer))
    take = clocked("fetch", lambda: next(body, None))
    while (chunk := take()) is not None:
        yield chunk
client.Answer.chunks = fetched

inflater = packing.inflater
def inflating(compression, sink):
    found = inflater(compression, sink)
    class Inflating:
        write, end = clocked("inflate", found.write), clocked("inflate", found.end)
    return Inflating
packing.inflater = inflating

run = files.run
def finishing(facts, words, noun, stdin=b"", *more):
    if words != ["finish"]:
        return run(facts, words, noun, stdin, *more)
    work, sync, where = stdin.rpartition(b"sync\\0")
    found = run(facts, words, noun, work if sync else stdin, *more)
    mark("finish")
    if sync:
        run(facts, words, noun, sync + where, *more)
    mark("sync")
    return found
files.run = finishing

hashed(blobs, "_hasher")
hashed(unpack, "sha256")
wrap(blobs.Writer, "write", "keep")
wrap(blobs.Writer, "commit", "commit")
wrap(unpack.Layer, "_take", "pipe")
wrap(unpack.Layer, "_end", "wait")
marked(transfer._Pull, "run", before="imports")
marked(transfer._Pull, "_layers", before="manifest")
marked(unpack.Staging, "complete", before="layers")
marked(images, "add_image", after="record")
code = pypod.__main__.run(sys.argv[3:])
os.write(report, repr((marks, spent)).encode())
os._exit(code)
"""

STAGES = {
    "imports": "python, imports",
    "manifest": "manifest and configuration",
    "layers": "layers: fetch, hash, inflate, unpack",
    "finish": "finish",
    "sync": "sync",
    "record": "place, record, name",
}
WORK = {
    "fetch": "fetch",
    "hash": "hash, packed and plain",
    "keep": "write the blob",
    "commit": "blob to the disk",
    "inflate": "inflate",
    "pipe": "pipe to the unpackers",
    "wait": "wait for the unpackers' end",
}


def show(site: Path, words: list[str]) -> None:
    """Pull once and print both tables. `words` are those of the command line."""
    reader, writer = os.pipe()
    child = subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", PROGRAM, str(site), str(writer), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(writer,),
    )
    assert child.wait() == 0
    end = time.monotonic()
    os.close(writer)
    with os.fdopen(reader) as file:
        marks, spent = eval(file.read())
    print(f"{'stages of a pull':40}{'wall':>9}{'':>7}{'CPU':>9}")
    last = marks[0]
    for name, at, cpu in marks[1:]:
        _line(STAGES[name], at - last[1], cpu - last[2])
        last = name, at, cpu
    print(f"{'python ends':40}{(end - last[1]) * 1000:7.0f}ms")
    print("the work of the layers' threads, added up, without that of the unpackers:")
    for name, label in WORK.items():
        _line("  " + label, *spent.get(name, (0.0, 0.0)))


def _line(label: str, wall: float, cpu: float) -> None:
    print(f"{label:40}{wall * 1000:7.0f}ms{'':7}{cpu * 1000:7.0f}ms")
