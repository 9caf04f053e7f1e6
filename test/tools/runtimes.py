"""Run networks in onnxruntime and in LiteRT, for tests that compare them."""

import numpy as np
import onnxruntime
import pytest


def run(model, images):
    """Run a converted network on one thread: output name → array."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": images}), strict=True))


def run_litert(data, images, low):
    """Run a TFLite file in LiteRT, image by image; the larger output first, each (N, …)."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="needs ai-edge-litert (extra `test`)")
    interpreter = litert.Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    entry, outputs = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()
    results = []
    for image in images:
        values = image.astype(np.float32) * np.float32((1 - low) / 255) + np.float32(low)
        interpreter.set_tensor(entry, values[np.newaxis])
        interpreter.invoke()
        results.append([interpreter.get_tensor(output["index"])[0].copy() for output in outputs])
    return sorted((np.stack(one) for one in zip(*results, strict=True)), key=lambda array: -array.size)
