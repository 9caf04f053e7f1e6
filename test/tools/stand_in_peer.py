"""Speaks the protocol of mediapipe_worker.py without MediaPipe, and misbehaves by request.

The shape of the image says what to do: so many faces as it is high; for a width of 13, misbehave as its height says;
of a width of 17 nothing is read; for a width of 19, it answers with the line that the first pixels spell.
"""

import json
import os
import sys
import time

import numpy as np

SCRIPT = {}
TARGET = os.dup(1)


def answer(request, source):
    if request["do"] == "open":
        SCRIPT[request["mode"]] = request["max_faces"]
        return {"version": "stand-in", "pid": os.getpid()}, b""
    height, width, channels = request["shape"]
    if width == 17:
        time.sleep(60)
    pixels = source.read(height * width * channels)
    if width == 19:
        os.write(TARGET, pixels.strip(b"\0") + b"\n" + bytes(3 * 478 * 3 * 4))
    if width == 13:
        misbehave(height)
    if request["mode"] not in SCRIPT:
        raise RuntimeError(f"{request['mode']} was not opened")
    faces = min(height, SCRIPT[request["mode"]])
    points = np.full((faces, 478, 3), pixels[0], np.float32) + np.arange(faces, dtype=np.float32)[:, None, None]
    return {"shape": points.shape, "ms": 2.5}, points.tobytes()


def misbehave(how):
    if how == 1:
        print("a library was here")
        print("the last words", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)
    if how == 2:
        time.sleep(60)
    if how == 4:
        drip()
    raise ValueError("no such picture")


def drip():
    while True:
        os.write(TARGET, b" ")
        time.sleep(0.1)


def main():
    target = os.fdopen(TARGET, "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        try:
            head, body = answer(json.loads(line), sys.stdin.buffer)
        except Exception as error:
            head, body = {"error": f"{type(error).__name__}: {error}"}, b""
        target.write(json.dumps(head).encode() + b"\n" + body)
        target.flush()


main()
