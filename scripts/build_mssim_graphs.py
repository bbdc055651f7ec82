"""Writes washi_latent/core/moments.onnx and mssim.onnx: what MSSIM needs of each gray picture, and MSSIM of sixteen pairs, or
of a multiple of that.

    python scripts/build_mssim_graphs.py

Moments are matrix products with the window's band, in float64. Of the pairs' products the window is a depthwise convolution, several
times as fast; sixteen pairs are sixteen channels, as many as a vector register of 512 bits holds, and as many pictures as there are sixteens.
Pairs come as a table of rows and columns, so that each picture is read for several of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from washi_latent.core.similarity import C1, C2, LANES, MOMENTS, PAIRS, window

Step = tuple[str, list[str], str]


def moments() -> bytes:
    """Mean, twice the mean, its square and the variance under the window, of pictures less their level."""
    constants = {"zero": np.float32(0), "two": np.float32(2), "half_c1": np.float32(C1 / 2), "half_c2": np.float32(C2 / 2)}
    steps: list[Step] = [
        ("Cast:double", ["centered"], "exact"),
        ("MatMul", ["exact", "across"], "lines"),
        ("MatMul", ["down", "lines"], "exact_mean"),
        ("Cast:float", ["exact_mean"], "mean"),
        ("Mul", ["exact", "exact"], "squares"),
        ("MatMul", ["squares", "across"], "square_lines"),
        ("MatMul", ["down", "square_lines"], "mean_square"),
        ("Mul", ["exact_mean", "exact_mean"], "square_mean"),
        ("Sub", ["mean_square", "square_mean"], "difference"),
        ("Cast:float", ["difference"], "single_difference"),
        ("Max", ["single_difference", "zero"], "positive"),
        ("Add", ["positive", "half_c2"], "variance"),
        ("Add", ["exact_mean", "level"], "exact_light"),
        ("Cast:float", ["exact_light"], "light"),
        ("Mul", ["light", "two"], "luminance"),
        ("Mul", ["light", "light"], "light_square"),
        ("Add", ["light_square", "half_c1"], "luminance_square"),
    ]
    double, single = TensorProto.DOUBLE, TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info("centered", single, ["count", "height", "width"]),
        helper.make_tensor_value_info("level", double, ["count", 1, 1]),
        helper.make_tensor_value_info("down", double, ["inner_height", "height"]),
        helper.make_tensor_value_info("across", double, ["width", "inner_width"]),
    ]
    inner = ["count", "inner_height", "inner_width"]
    outputs = [helper.make_tensor_value_info(name, single, inner) for name in ("mean", "luminance", "luminance_square", "variance")]
    return _model("moments", steps, constants, inputs, outputs)


def pairs() -> bytes:
    """Products through the window, then the formula of SSIM, then the sum of the map."""
    weights = window()
    constants = {
        "down": np.tile(weights.reshape(1, 1, -1, 1), (LANES, 1, 1, 1)),
        "across": np.tile(weights.reshape(1, 1, 1, -1), (LANES, 1, 1, 1)),
        "lanes": np.array([-1, LANES, 0, 0], np.int64),
        "flat": np.array([0, 0, -1], np.int64),
        "half_c2": np.float32(C2 / 2),
        "twice_c1": np.float32(2 * C1),
    }
    steps: list[Step] = [
        ("Mul", ["centered_rows", "centered_columns"], "product_table"),
        ("Reshape", ["product_table", "lanes"], "product"),
        ("Conv", ["product", "down"], "lines"),
        ("Conv", ["lines", "across"], "filtered_lanes"),
        ("Mul", ["mean_rows", "mean_columns"], "means"),
        ("Shape", ["means"], "table"),
        ("Reshape", ["filtered_lanes", "table"], "filtered"),
        ("Sub", ["filtered", "means"], "covariance"),
        ("Add", ["covariance", "half_c2"], "structure"),
        ("Mul", ["luminance_rows", "luminance_columns"], "luminances"),
        ("Add", ["luminances", "twice_c1"], "light"),
        ("Mul", ["structure", "light"], "numerator"),
        ("Add", ["luminance_square_rows", "luminance_square_columns"], "squares"),
        ("Add", ["variance_rows", "variance_columns"], "variances"),
        ("Mul", ["squares", "variances"], "denominator"),
        ("Div", ["numerator", "denominator"], "map"),
        # A product with ones, whose order of adding does not depend on where in memory a map begins, as ReduceMean's does.
        ("Reshape", ["map", "flat"], "flat_map"),
        ("MatMul", ["flat_map", "ones"], "sums"),
    ]
    inputs = []
    for name in ("centered", "mean", "luminance", "luminance_square", "variance"):
        size = ["height", "width"] if name == "centered" else ["inner_height", "inner_width"]
        inputs.append(helper.make_tensor_value_info(name + "_rows", TensorProto.FLOAT, ["rows", 1, *size]))
        inputs.append(helper.make_tensor_value_info(name + "_columns", TensorProto.FLOAT, [1, "columns", *size]))
    inputs.append(helper.make_tensor_value_info("ones", TensorProto.FLOAT, ["pixels", 1]))
    outputs = [helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["rows", "columns", 1])]
    return _model("mssim", steps, constants, inputs, outputs)


def _model(name: str, steps: list[Step], constants: dict[str, Any], inputs: list[Any], outputs: list[Any]) -> bytes:
    options = {
        "Conv": {"group": LANES},
        "Cast:double": {"to": TensorProto.DOUBLE},
        "Cast:float": {"to": TensorProto.FLOAT},
    }
    nodes = [helper.make_node(kind.split(":")[0], inner, [output], **options.get(kind, {})) for kind, inner, output in steps]
    initializers = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="washi_latent", ir_version=8)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()


GRAPHS = {MOMENTS: moments, PAIRS: pairs}

if __name__ == "__main__":
    for path, build in GRAPHS.items():
        Path(path).write_bytes(build())
        print(f"wrote {path}")
