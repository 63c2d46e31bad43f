"""Counts the floating-point operations of a traced function, and times a large matrix product."""

import math

import tensorflow as tf

# Which input of a convolution tells the images that it slides over, or whose gradient it takes.
_CONVOLUTIONS = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"}
_PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}


def count_flops(function):
    """Counts what convolutions and matrix products of a concrete function take, in one call.

    A multiplication and an addition count one each. Operations that nothing needs do not
    count, as TensorFlow prunes them before it runs the graph; neither do element-wise ones,
    which are thousandths of the whole.

    Args:
        function: A `tf.types.experimental.ConcreteFunction` of fixed shapes.

    Raises:
        ValueError: A shape is not known.
    """
    return sum(_flops_of(op) for op in _needed(function.graph))


def _needed(graph):
    """Lists the operations that the outputs and the side effects of a graph depend on."""
    waiting = [tensor.op for tensor in tf.nest.flatten(graph.outputs)]
    waiting += [getattr(end, "op", end) for end in graph.control_outputs]
    found = {}
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found[op.name] = op
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return found.values()


def _flops_of(op):
    if op.type in _CALLS:
        inner = _function_named(op.graph, op.get_attr("f").name)
        return count_flops(inner) if inner is not None else 0
    if op.type == "Conv2D":
        return 2 * _size(op.outputs[0], op) * _taps(op.inputs[1].shape)
    if op.type == "Conv2DBackpropInput":
        return 2 * _size(op.inputs[2], op) * _taps(op.inputs[1].shape)
    if op.type == "Conv2DBackpropFilter":
        return 2 * _size(op.inputs[2], op) * _taps(op.outputs[0].shape)
    if op.type in _PRODUCTS:
        rows_first = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
        inner = op.inputs[0].shape[-2 if rows_first else -1]
        return 2 * _size(op.outputs[0], op) * inner
    return 0


def _function_named(graph, name):
    """Finds a function that a graph calls; None for one that holds no graph of TensorFlow's."""
    while graph is not None:
        inner = getattr(graph, "_functions", {}).get(name)
        if inner is not None:
            return inner
        graph = getattr(graph, "outer_graph", None)
    return None


def _taps(kernel):
    """Products in one output value of a convolution: height × width × inputs of its kernel."""
    return math.prod(kernel[:-1])


def _size(tensor, op):
    if not tensor.shape.is_fully_defined():
        raise ValueError(f"{op.type} {op.name!r} has the shape {tensor.shape}, which is not fixed")
    return math.prod(tensor.shape)


class MatrixProduct:
    """A large matrix product, whose rate is the limit that steps are compared with.

    Args:
        precision: "float32", "bfloat16" or "float16".
    """

    def __init__(self, precision="float32"):
        self.side = 8192 if tf.config.list_physical_devices("GPU") else 2048
        values = tf.random.stateless_normal((self.side, self.side), (0, 0))
        self.factor = tf.cast(values, precision)
        self.multiply = tf.function(tf.matmul)

    def take(self):
        """Takes the product and waits for it; gives the number of its operations."""
        self.multiply(self.factor, self.factor)[0, 0].numpy()
        return 2 * self.side**3
