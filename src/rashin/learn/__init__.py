"""The loss in use: mini-batches, a small network, and the training that follows the loss downhill."""

from rashin.learn.activations import ACTIVATIONS, Activation
from rashin.learn.batches import minibatches
from rashin.learn.history import Epoch, History, Score, Step
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
    "Diverged",
    "Epoch",
    "History",
    "Momentum",
    "Network",
    "Output",
    "Score",
    "Step",
    "Trace",
    "TrainingRun",
    "accuracy",
    "class_targets",
    "draw_history",
    "evaluate",
    "minibatches",
    "one_hot",
    "output_for",
    "run_training",
    "train",
]
