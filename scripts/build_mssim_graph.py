"""Writes washi_latent/core/mssim.onnx: MSSIM of one gray picture to sixteen others, for ONNX Runtime.

    python scripts/build_mssim_graph.py

Its depthwise convolution is several times as fast as the same window by NumPy's matrix products. Sixteen pictures are
sixteen channels, as many as a vector register of 512 bits holds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from washi_latent.core.similarity import C1, C2, GRAPH, LANES, window


def build() -> bytes:
    """The graph: products through the window, then the formula of SSIM, then the sum over the map."""
    weights = window()
    constants = {
        "down": np.tile(weights.reshape(1, 1, -1, 1), (LANES, 1, 1, 1)),
        "across": np.tile(weights.reshape(1, 1, 1, -1), (LANES, 1, 1, 1)),
        "c1": np.float32(C1),
        "half_c2": np.float32(C2 / 2),
        "two": np.float32(2),
    }
    steps = [
        ("Mul", ["centered", "centered_s"], "product"),
        ("Conv", ["product", "down"], "lines"),
        ("Conv", ["lines", "across"], "filtered"),
        ("Mul", ["mean", "mean_s"], "means"),
        ("Sub", ["filtered", "means"], "covariance"),
        ("Add", ["covariance", "half_c2"], "structure"),
        ("Mul", ["luminance", "luminance_s"], "luminances"),
        ("Add", ["luminances", "c1"], "light"),
        ("Mul", ["structure", "light"], "numerator"),
        ("Add", ["luminance_square", "luminance_square_s"], "squares"),
        ("Add", ["variance", "variance_s"], "variances"),
        ("Mul", ["squares", "variances"], "denominator"),
        ("Div", ["numerator", "denominator"], "half_map"),
        ("ReduceMean", ["half_map"], "half"),
        ("Mul", ["half", "two"], "mssim"),
    ]
    nodes = []
    for kind, inputs, output in steps:
        options = {"group": LANES} if kind == "Conv" else {"axes": [2, 3], "keepdims": 0} if kind == "ReduceMean" else {}
        nodes.append(helper.make_node(kind, inputs, [output], **options))
    inputs = []
    for name in ("centered", "mean", "luminance", "luminance_square", "variance"):
        size = ["height", "width"] if name == "centered" else ["inner_height", "inner_width"]
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, *size]))
        inputs.append(helper.make_tensor_value_info(name + "_s", TensorProto.FLOAT, [1, LANES, *size]))
    output = helper.make_tensor_value_info("mssim", TensorProto.FLOAT, [1, LANES])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "mssim", inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="washi_latent", ir_version=8)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()


if __name__ == "__main__":
    Path(GRAPH).write_bytes(build())
    print(f"wrote {GRAPH}")
