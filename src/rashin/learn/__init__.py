"""The loss in use: mini-batches, a small network, and training by gradient descent on the loss."""

from typing import TYPE_CHECKING, Any

from rashin.extras import needs
from rashin.learn.landscape.approximation import MinibatchLosses, minibatch_losses
from rashin.learn.landscape.directions import Direction, random_direction
from rashin.learn.landscape.gradient_check import ArrayCheck, GradientCheck, check_gradient
from rashin.learn.landscape.surface import (
    Curve,
    Landscape,
    loss_and_accuracy_along,
    loss_gradient,
    loss_landscape,
)
from rashin.learn.network.activations import ACTIVATIONS, Activation
from rashin.learn.network.network import Network, Trace
from rashin.learn.network.outputs import OUTPUTS, Output, output_for
from rashin.learn.samples.batches import minibatches
from rashin.learn.samples.files import read_samples
from rashin.learn.samples.samples import Samples, samples_for
from rashin.learn.samples.targets import class_targets, named_labels, one_hot
from rashin.learn.training.constant import Constant, best_constant
from rashin.learn.training.divergence import Diverged
from rashin.learn.training.epochs import Interrupted, train
from rashin.learn.training.history import Epoch, History, Score, Step, Steps
from rashin.learn.training.objective import accuracy, evaluate
from rashin.learn.training.optimizers import OPTIMIZERS, SGD, Adam, Momentum, Optimizer
from rashin.learn.training.picture import draw_history
from rashin.learn.training.predictions import write_predictions
from rashin.learn.training.run import TrainingRun, run_training
from rashin.learn.training.schedules import SCHEDULES, cosine, inverse_scaling
from rashin.learn.training.trainer import Trainer

if TYPE_CHECKING:
    from rashin.learn.sklearn import NetworkClassifier as NetworkClassifier
    from rashin.learn.sklearn import NetworkRegressor as NetworkRegressor

__all__ = [
    "ACTIVATIONS",
    "OPTIMIZERS",
    "OUTPUTS",
    "SCHEDULES",
    "SGD",
    "Activation",
    "Adam",
    "ArrayCheck",
    "Constant",
    "Curve",
    "Direction",
    "Diverged",
    "Epoch",
    "GradientCheck",
    "History",
    "Interrupted",
    "Landscape",
    "MinibatchLosses",
    "Momentum",
    "Network",
    "Optimizer",
    "Output",
    "Samples",
    "Score",
    "Step",
    "Steps",
    "Trace",
    "Trainer",
    "TrainingRun",
    "accuracy",
    "best_constant",
    "check_gradient",
    "class_targets",
    "cosine",
    "draw_history",
    "evaluate",
    "inverse_scaling",
    "loss_and_accuracy_along",
    "loss_gradient",
    "loss_landscape",
    "minibatch_losses",
    "minibatches",
    "named_labels",
    "one_hot",
    "output_for",
    "random_direction",
    "read_samples",
    "run_training",
    "samples_for",
    "train",
    "write_predictions",
]

_ESTIMATORS = ("NetworkClassifier", "NetworkRegressor")  # not in __all__: `import *` works without scikit-learn


def __getattr__(name: str) -> Any:
    """The estimators, imported at their first use, as only they need scikit-learn."""
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("scikit-learn", "learn", name):
        from rashin.learn import sklearn
    return getattr(sklearn, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ESTIMATORS})
