"""The names of the book *Deep Learning from Scratch* (Saito 2016, chapter 4), with its conventions and its digits.

``from rashin.dialects.scratch import *`` replaces the book's files ``common/functions.py``, ``common/gradient.py``,
``dataset/mnist.py`` and ``two_layer_net.py``.
"""

from rashin.datasets import load_mnist
from rashin.dialects.scratch.functions import (
    function_1,
    function_2,
    identity_function,
    relu,
    relu_grad,
    sigmoid_grad,
    step_function,
)
from rashin.dialects.scratch.gradients import gradient_descent, numerical_diff, numerical_gradient
from rashin.dialects.scratch.losses import (
    DELTA,
    cross_entropy_error,
    cross_entropy_gradient,
    mean_squared_error,
    mean_squared_gradient,
    softmax_loss,
    sum_squared_error,
)
from rashin.dialects.scratch.networks import TwoLayerNet, simpleNet
from rashin.logits import sigmoid, softmax

__all__ = [
    "DELTA",
    "TwoLayerNet",
    "cross_entropy_error",
    "cross_entropy_gradient",
    "function_1",
    "function_2",
    "gradient_descent",
    "identity_function",
    "load_mnist",
    "mean_squared_error",
    "mean_squared_gradient",
    "numerical_diff",
    "numerical_gradient",
    "relu",
    "relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "simpleNet",
    "softmax",
    "softmax_loss",
    "step_function",
    "sum_squared_error",
]
