"""3×3 convolutions with a quarter of the multiplications.

Lavin and Gray 2016, arXiv:1509.09308: Winograd's minimal filtering, F(4×4, 3×3). A tile of 6×6
pixels makes 4×4 outputs. These sums are the transpose of a product of two polynomials, with 4×4
and with 3×3 coefficients, and polynomials may be multiplied by their values at 6×6 points: 36
products for a tile, where the plain sums take 144. Summed over the channels, for all tiles at
once, they are matrix products, which nothing computes faster.

The steps are to cut the images into tiles (`_pixels`), to bring tiles and kernel to the points
(`_OF_TILE`, `_OF_KERNEL`), to multiply and sum at each point, and to bring the sums back to
outputs (`_BACK`).
"""

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.polynomial import polynomial

_SIDE, _KERNEL = 4, 3  # of the outputs of a tile, and of a kernel, in pixels
_TILE = _SIDE + _KERNEL - 1
# Of each dimension; the sixth is infinity. With these, rounding is half of that with the usual
# 0, ±1 and ±2.
_POINTS = np.array([0.0, 0.625, -0.625, 1.5, -1.5])
# Below these, the way to the points and back costs more than it saves.
_FEWEST_PIXELS, _FEWEST_CHANNELS = 512, 128
_TYPES = ("float32", "bfloat16")
_PADDINGS = ("VALID", "SAME")  # TensorFlow's name for 0, and for 1, zeros around the images


def _transforms():
    """Makes the matrices that bring a tile and a kernel to the points, and sums back to outputs.

    Cook and Toom's construction of Lavin and Gray's B^T, G and A^T, each multiplied by itself
    (Kronecker) for both dimensions at once: `(36, 36)`, `(36, 9)` and `(16, 36)`.
    """
    of_tile, of_kernel, back = (np.zeros((_TILE, size)) for size in (_TILE, _KERNEL, _SIDE))
    for place, point in enumerate(_POINTS):
        others = np.delete(_POINTS, place)
        of_tile[place, :-1] = polynomial.polyfromroots(others)
        of_kernel[place] = point ** np.arange(_KERNEL) / np.prod(point - others)
        back[place] = point ** np.arange(_SIDE)
    of_tile[-1] = polynomial.polyfromroots(_POINTS)
    of_kernel[-1, -1] = back[-1, -1] = 1.0
    return [np.kron(one, one).astype("float32") for one in (of_tile, of_kernel, back.T)]


_OF_TILE, _OF_KERNEL, _BACK = _transforms()


def pays(images, kernel):
    """Says whether `convolve` can take these images and this kernel, and is the faster way."""
    # A batch of unknown size is taken for one image, and images of unknown sides for large ones.
    count, *sides = images.shape[:3]
    few = None not in sides and np.prod([count or 1, *sides]) < _FEWEST_PIXELS
    return (
        tuple(kernel.shape[:2]) == (_KERNEL, _KERNEL)
        and images.dtype == kernel.dtype
        and images.dtype in _TYPES
        and min(kernel.shape[2:]) >= _FEWEST_CHANNELS
        and not few
    )


def convolve(images, kernel, padding=0):
    """Convolves images by a 3×3 kernel, with stride 1.

    The gradients of `convolve`, `_spread` and `_sum_over_windows` are again these three, so that
    there are gradients of any order. They take as few multiplications, and for them memory holds
    images and kernels, but no values of tiles. In bfloat16 only the sums over windows go by tiles,
    in float32: in all else the plain kernels of processors with that type are as fast.

    Args:
        images: float32 or bfloat16 `(batch, h, w, channels)`.
        kernel: `(3, 3, channels, filters)`, of the same type.
        padding: Zeros around an image, 0 or 1.

    Returns:
        `(batch, h - 2 + 2 · padding, w - 2 + 2 · padding, filters)`, to about twice the
        rounding of the plain sum.
    """

    @tf.custom_gradient
    def forward(images, kernel):
        def gradient(upstream):
            of_images = _spread(upstream, kernel, padding)
            return of_images, _sum_over_windows(images, upstream, padding)

        if _is_half(images):
            return tf.nn.conv2d(images, kernel, 1, _PADDINGS[padding]), gradient
        return _convolve(images, kernel, padding), gradient

    return forward(images, kernel)


def _spread(outputs, kernel, padding):
    """Adds up what each output gives to the images: the transposed convolution.

    Args:
        outputs: Of the shape of what `convolve` makes of the images.
        kernel: As in `convolve`.
        padding: As in `convolve`.

    Returns:
        `(batch, h, w, channels)`.
    """

    @tf.custom_gradient
    def forward(outputs, kernel):
        def gradient(upstream):
            of_outputs = convolve(upstream, kernel, padding)
            return of_outputs, _sum_over_windows(upstream, outputs, padding)

        if not _is_half(outputs):
            return _convolve(outputs, kernel, 2 - padding, turned=True), gradient
        batch, height, width, _ = ops.shape(outputs)
        cut = _KERNEL - 1 - 2 * padding
        shape = (batch, height + cut, width + cut, kernel.shape[2])
        return tf.nn.conv2d_transpose(outputs, kernel, shape, 1, _PADDINGS[padding]), gradient

    return forward(outputs, kernel)


def _sum_over_windows(images, outputs, padding):
    """Adds up all windows of 3×3 pixels, each times the outputs of its place: a kernel's gradient.

    Args:
        images: As in `convolve`.
        outputs: Of the shape of what `convolve` makes of the images.
        padding: As in `convolve`.

    Returns:
        `(3, 3, channels, filters)`.
    """

    @tf.custom_gradient
    def forward(images, outputs):
        def gradient(upstream):
            return _spread(outputs, upstream, padding), convolve(images, upstream, padding)

        return _add_up(images, outputs, padding), gradient

    return forward(images, outputs)


def _is_half(images):
    return images.dtype == "bfloat16"


def _convolve(images, kernel, padding, turned=False):
    """Convolves by tiles; by the kernel turned by 180°, its channels and filters swapped, too."""
    values, (batch, down, across) = _values_of_tiles(images, padding)
    # Else TensorFlow brings the kernels of all layers to the points at the start of a step.
    with tf.control_dependencies([images]):
        kernel = tf.identity(kernel)
    # A kernel turned by 180° is one that is read from its end.
    weights = tf.matmul(_OF_KERNEL[:, :: -1 if turned else 1], tf.reshape(kernel, (_KERNEL**2, -1)))
    weights = tf.reshape(weights, (_TILE**2, *kernel.shape[2:]))
    products = tf.matmul(values, weights, transpose_b=turned)
    filters = products.shape[-1]
    result = tf.matmul(_BACK, tf.reshape(products, (_TILE**2, -1)))
    result = tf.reshape(result, (_SIDE, _SIDE, batch, down, across, filters))
    result = tf.transpose(result, (2, 3, 0, 4, 1, 5))
    result = tf.reshape(result, (batch, down * _SIDE, across * _SIDE, filters))
    height, width = (side - _KERNEL + 1 + 2 * padding for side in ops.shape(images)[1:3])
    return result[:, :height, :width]


def _add_up(images, outputs, padding):
    """Adds up windows by tiles, in float32."""
    result_type = images.dtype
    images, outputs = (tf.cast(each, "float32") for each in (images, outputs))
    # Else TensorFlow sees that the convolution made the same values of tiles, and holds those.
    with tf.control_dependencies([outputs]):
        images = tf.identity(images)
    values, (batch, down, across) = _values_of_tiles(images, padding)
    height, width, filters = ops.shape(outputs)[1:]
    lacking = [(0, tiles * _SIDE - side) for tiles, side in ((down, height), (across, width))]
    outputs = tf.pad(outputs, ((0, 0), *lacking, (0, 0)))
    outputs = tf.reshape(outputs, (batch, down, _SIDE, across, _SIDE, filters))
    outputs = tf.reshape(tf.transpose(outputs, (2, 4, 0, 1, 3, 5)), (_SIDE**2, -1))
    outputs = tf.matmul(_BACK, outputs, transpose_a=True)
    outputs = tf.reshape(outputs, (_TILE**2, -1, filters))
    products = tf.matmul(values, outputs, transpose_a=True)
    total = tf.matmul(_OF_KERNEL, tf.reshape(products, (_TILE**2, -1)), transpose_a=True)
    total = tf.reshape(total, (_KERNEL, _KERNEL, images.shape[-1], filters))
    return tf.cast(total, result_type)


def _values_of_tiles(images, padding):
    """Cuts images into tiles and brings these to the points.

    Returns:
        Values at the points, `(36, tiles, channels)`; and the number of images, of tiles from top
        to bottom, and of tiles from left to right.
    """
    edge = (padding, padding)
    images = tf.pad(images, ((0, 0), edge, edge, (0, 0))) if padding else images
    batch, height, width, channels = ops.shape(images)
    down, across = (-((_KERNEL - 1 - side) // _SIDE) for side in (height, width))
    tiles = tf.gather(tf.reshape(images, (-1, channels)), _pixels(batch, height, width))
    values = tf.matmul(_OF_TILE, tf.reshape(tiles, (_TILE**2, -1)))
    return tf.reshape(values, (_TILE**2, -1, channels)), (batch, down, across)


def _pixels(batch, height, width):
    """Numbers the pixels of all tiles, `(6 · 6 · tiles,)`: first those in a tile's corner."""
    numbers = tf.reshape(tf.range(batch * height * width), (batch, height, width))
    for axis, side in ((1, height), (3, width)):
        start = tf.range(0, side - _KERNEL + 1, _SIDE)
        # What the last tile lacks is taken from the edge: no result that is kept depends on it.
        places = tf.minimum(tf.range(_TILE)[:, None] + start, side - 1)
        numbers = tf.gather(numbers, places, axis=axis)
    return tf.reshape(tf.transpose(numbers, (1, 3, 0, 2, 4)), [-1])
