"""The loss in use: mini-batches, a small network, and the training that follows the loss downhill."""

from rashin.learn.activations import ACTIVATIONS, Activation
from rashin.learn.approximation import MinibatchLosses, minibatch_losses
from rashin.learn.batches import minibatches
from rashin.learn.directions import Direction, random_direction
from rashin.learn.gradient_check import ArrayCheck, GradientCheck, check_gradient
from rashin.learn.history import Epoch, History, Score, Step
from rashin.learn.landscape import (
    Curve,
    Landscape,
    loss_and_accuracy_along,
    loss_gradient,
    loss_landscape,
)
from rashin.learn.network import Network, Trace
from rashin.learn.objective import accuracy, evaluate
from rashin.learn.optimizer import Momentum
from rashin.learn.outputs import OUTPUTS, Output, output_for
from rashin.learn.picture import draw_history
from rashin.learn.targets import class_targets, one_hot
from rashin.learn.trainer import Diverged, train
from rashin.learn.training_run import TrainingRun, run_training

__all__ = [
    "ACTIVATIONS",
    "OUTPUTS",
    "Activation",
    "ArrayCheck",
    "Curve",
    "Direction",
    "Diverged",
    "Epoch",
    "GradientCheck",
    "History",
    "Landscape",
    "MinibatchLosses",
    "Momentum",
    "Network",
    "Output",
    "Score",
    "Step",
    "Trace",
    "TrainingRun",
    "accuracy",
    "check_gradient",
    "class_targets",
    "draw_history",
    "evaluate",
    "loss_and_accuracy_along",
    "loss_gradient",
    "loss_landscape",
    "minibatch_losses",
    "minibatches",
    "one_hot",
    "output_for",
    "random_direction",
    "run_training",
    "train",
]
