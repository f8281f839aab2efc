"""The loss in use: mini-batches, a small network, and the training that follows the loss downhill."""

from rashin.learn.activations import ACTIVATIONS, Activation
from rashin.learn.batches import minibatches
from rashin.learn.constant import Constant, best_constant
from rashin.learn.divergence import Diverged
from rashin.learn.history import Epoch, History, Score, Step, Steps
from rashin.learn.network import Network, Trace
from rashin.learn.objective import accuracy, evaluate
from rashin.learn.optimizers import OPTIMIZERS, SGD, Adam, Momentum, Optimizer
from rashin.learn.outputs import OUTPUTS, Output, output_for
from rashin.learn.picture import draw_history
from rashin.learn.predictions import write_predictions
from rashin.learn.sample_files import read_samples
from rashin.learn.samples import Samples, samples_for
from rashin.learn.schedules import SCHEDULES, cosine, inverse_scaling
from rashin.learn.targets import class_targets, one_hot
from rashin.learn.trainer import Trainer
from rashin.learn.training import Interrupted, train
from rashin.learn.training_run import TrainingRun, run_training

__all__ = [
    "ACTIVATIONS",
    "OPTIMIZERS",
    "OUTPUTS",
    "SCHEDULES",
    "SGD",
    "Activation",
    "Adam",
    "Constant",
    "Diverged",
    "Epoch",
    "History",
    "Interrupted",
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
    "class_targets",
    "cosine",
    "draw_history",
    "evaluate",
    "inverse_scaling",
    "minibatches",
    "one_hot",
    "output_for",
    "read_samples",
    "run_training",
    "samples_for",
    "train",
    "write_predictions",
]
