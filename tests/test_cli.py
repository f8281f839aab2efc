"""The command ``rashin``: through the real process where that matters, else in this one, which has imported it."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest

import rashin
from rashin.cli import main
from rashin.cli.plain_text import formula_line, plain
from rashin.datasets import load_digits
from rashin.domain import Columns, Domain, Members, Row, Thresholds
from rashin.learn import Network, evaluate, read_samples
from shipped import SHIPPED, every_path

COMMAND = [sys.executable, "-m", "rashin"]
TRAIN_OPTIONS = {
    *("--data", "--loss", "--loss-parameter", "--hidden", "--activation", "--epochs", "--batch-size", "--optimizer"),
    *("--learning-rate", "--weight-decay", "--schedule", "--validation", "--patience", "--seed", "--out", "--resume"),
    *("--predictions", "--quiet", "--json"),
}


def run(*arguments, command=COMMAND, **options):
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def here(monkeypatch, capsys):
    """``run``, in this process."""

    def run_here(*arguments, cwd=None):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["rashin", *map(str, arguments)])
            if cwd:
                patch.chdir(cwd)
            capsys.readouterr()
            code = main()
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run_here


def start_in_terminal(*arguments, columns):
    """The process and the reading end of its terminal."""
    reading, writing = os.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=writing,
        stdout=writing,
        stderr=writing,
        env={**environment, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(writing)
    return process, reading


def read_until(reading, pattern=None):
    """What stands on the terminal, without its colours, until the pattern appears or the process ends."""
    received, shown, deadline = b"", "", time.monotonic() + 120
    while time.monotonic() < deadline and not (pattern and re.search(pattern, shown)):
        try:
            received += os.read(reading, 65536)
        except OSError:  # the other end is closed
            break
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", received.decode(errors="replace"))
    return shown


def in_terminal(*arguments, columns):
    process, reading = start_in_terminal(*arguments, columns=columns)
    text = read_until(reading)
    os.close(reading)
    return process.wait(timeout=60), text


@pytest.fixture
def arrays(tmp_path):
    """A file with ten classes of points, and one with numbers to predict: digits need scikit-learn, a slow import."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 500)
    x = rng.normal(size=(500, 2, 5)) + 4 * np.eye(10).reshape(10, 2, 5)[labels]
    np.savez(tmp_path / "classes.npz", x_train=x[:400], t_train=labels[:400], x_test=x[400:], t_test=labels[400:])
    np.savez(tmp_path / "numbers.npz", x=x, t=np.sin(x[:, 0, :2]))
    return tmp_path


# ------------------------------------------------------------------------------------------------- the main job


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "run"
    return run("train", "--out", out), out


def test_train_reaches_95_percent_with_its_defaults(trained):
    result, out = trained
    assert (result.returncode, result.stderr) == (0, "")
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    assert float(rows[-1]["held_out_accuracy"]) >= 0.95
    assert float(rows[-1]["training_loss"]) < float(rows[0]["batch_loss"]) / 10


def test_train_tells_scores_and_files(trained):
    result, out = trained
    score = evaluate(Network.load(out / "model.npz"), rashin.softmax_cross_entropy, *load_digits()[1])
    assert re.search(rf"held out .* 360 .* {score.loss:.4f} .* {score.accuracy:.2%}", result.stdout)
    assert re.search(r"training .* 1,437 ", result.stdout)
    assert re.search(r"best constant .* 2\.302\d .* 10\.16%", result.stdout)
    for name in ("model.npz", "history.csv", "history.png", "checkpoint.npz"):
        assert f"wrote {out / name}\n" in result.stdout
        assert (out / name).stat().st_size > 1000
    assert (out / "history.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("undrawn")
def test_train_repeats_itself_and_overwrites_its_own_folder(here, arrays, tmp_path):
    options = ("train", "--epochs", 1, "--seed", 4, "--hidden", 7, "--batch-size", 100, "--learning-rate", 0.2)
    options += ("--data", arrays / "classes.npz")
    for _ in range(2):
        assert here(*options, cwd=tmp_path).returncode == 0
    assert run(*options, "--out", tmp_path / "again").returncode == 0
    first, again = (tmp_path / folder / "history.csv" for folder in ("rashin-run", "again"))
    assert first.read_text() == again.read_text()
    assert Network.load(tmp_path / "again" / "model.npz").sizes == (10, 7, 10)


@every_path
@pytest.mark.usefixtures("undrawn")
def test_every_loss_trains_on_digits_or_is_refused_in_one_line(loss, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rashin", "train", "--loss", loss.name, "--epochs", "1", "--out", str(tmp_path)])
    code, shown = main(), capsys.readouterr()
    if code == 0:
        assert shown.err == ""
        assert float((tmp_path / "history.csv").read_text().splitlines()[-1].split(",")[4]) < float("inf")
    else:
        assert code == 2
        assert re.fullmatch(
            rf"rashin: loss: got {loss.name}, [^\n]+; expected a loss (that takes labels|of real numbers), [^\n]+\n",
            shown.err,
        )


@pytest.mark.usefixtures("undrawn")
def test_a_loss_parameter_is_used(here, tmp_path):
    plain_run = here("train", "--loss", "focal", "--loss-parameter", "gamma=0", "--epochs", 1, "--out", tmp_path / "a")
    same = here("train", "--epochs", 1, "--out", tmp_path / "b")
    assert "focal(gamma=0) after 1 epoch" in plain_run.stdout
    assert plain_run.stdout.split("held out")[1].split("wrote")[0] == same.stdout.split("held out")[1].split("wrote")[0]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_progress_and_fits(columns, arrays, tmp_path):
    data = ("--data", arrays / "classes.npz")
    code, text = in_terminal("train", *data, "--epochs", 2, "--out", tmp_path / "run", columns=columns)
    assert code == 0
    assert re.search(r"epoch 2/2 .*loss \d\.\d{4}  accuracy +\d+\.\d%", text)
    tables = [line for line in text.splitlines() if line.startswith(("│", "╭", "╰"))]
    assert re.search(r"\d+/s +\d:\d\d left", text)
    assert len(tables) == 6
    assert max(map(len, tables)) <= columns


def interrupted(out, *options, at):
    """What stands on the terminal of a training that got Ctrl-C when the pattern appeared."""
    process, reading = start_in_terminal("train", "--out", out, *options, columns=80)
    read_until(reading, at)
    process.send_signal(signal.SIGINT)
    text = read_until(reading)
    os.close(reading)
    assert process.wait(timeout=60) == 130
    assert text.rstrip().endswith("\nrashin: interrupted")
    assert "Traceback" not in text
    return text


def test_ctrl_c_ends_with_130_and_the_best_model(arrays, tmp_path):
    text = interrupted(tmp_path / "run", "--data", arrays / "classes.npz", "--epochs", 10**6, at=r"epoch [4-9]")
    best = int(re.search(r"interrupted: these are the parameters of epoch (\d+), the best", text)[1])
    rows = [
        row
        for row in csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines())
        if row["held_out_loss"]
    ]
    losses = [float(row["held_out_loss"]) for row in rows]
    held_out = read_samples(arrays / "classes.npz")[1]
    score = evaluate(Network.load(tmp_path / "run" / "model.npz"), rashin.softmax_cross_entropy, *held_out)
    assert score.loss == losses[best - 1] == min(losses)


def test_ctrl_c_before_anything_is_learnt_leaves_nothing(arrays, tmp_path):
    data = ("--data", arrays / "classes.npz")
    interrupted(tmp_path / "run", *data, "--batch-size", 1, "--hidden", "3000,3000", at=r"epoch 1")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_killed_run_resumes_to_the_same_bits(here, arrays, tmp_path):
    options = ("train", "--epochs", 300, "--schedule", "cosine", "--hidden", "9,8", "--quiet")
    options += ("--data", arrays / "classes.npz")
    assert here(*options, "--out", tmp_path / "whole").stdout == ""
    process = subprocess.Popen([*COMMAND, *map(str, (*options, "--out", tmp_path / "cut"))])
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "checkpoint.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait(timeout=60)
    assert not (tmp_path / "cut" / "model.npz").exists(), "it had ended before it was killed"
    result = here(*options, "--resume", "--out", tmp_path / "cut")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for name in ("model.npz", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


# ------------------------------------------------------------------------------------------ data, files, scripts


@pytest.mark.usefixtures("undrawn")
def test_data_of_ones_own_and_json_for_scripts(here, arrays):
    options = ("--patience", 4, "--hidden", "20,10", "--optimizer", "momentum", "--weight-decay", "1e-4")
    files = ("--out", arrays / "run", "--predictions", arrays / "held-out.npz")
    result = here("train", "--data", arrays / "classes.npz", "--epochs", 60, *options, *files, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    network = Network.load(report["files"]["model"])
    assert (network.sizes, network.activation) == ((10, 20, 10, 10), "relu")
    assert report["samples"] == {"training": 360, "validation": 40, "held_out": 100}
    assert report["settings"]["validation"] == 0.1
    assert report["scores"]["held_out"]["accuracy"] > 0.8
    assert abs(report["scores"]["best_constant"]["loss"] / np.log(10) - 1) < 0.01
    assert (report["stopped"] == "patience") == (report["epochs"] == report["best_epoch"] + 4)
    with np.load(report["files"]["predictions"]) as columns:
        logits = np.column_stack([columns[f"z_{k}"] for k in range(10)])
        accuracy = np.mean(logits.argmax(axis=1) == columns["target"])
    assert accuracy == report["scores"]["held_out"]["accuracy"]


def test_numbers_are_predicted_where_the_targets_are_floats(here, arrays):
    parquet = pytest.importorskip("pyarrow.parquet")
    files = ("--out", arrays / "run", "--predictions", arrays / "held-out.parquet")
    result = here("train", "--data", arrays / "numbers.npz", "--loss", "huber", "--epochs", 3, *files)
    assert (result.returncode, result.stderr) == (0, "")
    assert "accuracy" not in result.stdout
    assert Network.load(arrays / "run" / "model.npz").sizes == (10, 400, 2)
    rows = csv.DictReader((arrays / "run" / "history.csv").read_text().splitlines())
    assert {row["batch_accuracy"] for row in rows} == {""}
    assert (arrays / "run" / "history.png").read_bytes().startswith(b"\x89PNG")
    assert parquet.read_table(arrays / "held-out.parquet").column_names == ["z_0", "z_1", "target_0", "target_1"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("variant", ["mnist", "fashion", "kmnist"])
def test_the_family_of_mnist_is_asked_for_by_name(variant, tmp_path, monkeypatch, capsys):
    def load_mnist(normalize=True, flatten=True, one_hot_label=False, variant="mnist", path=None):
        assert (normalize, flatten, one_hot_label, path) == (True, True, False, None)
        asked.append(variant)
        return load_digits()

    asked = []
    monkeypatch.setattr("rashin.datasets.load_mnist", load_mnist, raising=False)
    arguments = ["rashin", "train", "--data", variant, "--epochs", "1", "--out", str(tmp_path / "run"), "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    assert asked == [variant]
    assert json.loads(capsys.readouterr().out)["settings"]["optimizer"] == "adam"


@pytest.mark.usefixtures("undrawn")
def test_a_network_that_learns_nothing_is_told_so(here, arrays):
    np.savez(arrays / "noise.npz", x=np.zeros((60, 2)), t=np.resize([0, 1], 60))
    result = here("train", "--data", arrays / "noise.npz", "--epochs", 1, "--out", arrays / "run")
    assert "no better than the constant that ignores the input: try another learning rate" in result.stdout


# ----------------------------------------------------------------------------------------------------- losses


GROUP_OF = {Domain: 0, Row: 1, Columns: 2, Members: 2, Thresholds: 2}
BY_GROUP = [
    *sorted(SHIPPED, key=lambda loss: (GROUP_OF[type(loss.prediction)], loss.name)),
    *rashin.list_group_losses(),
]


def test_losses_in_a_pipe_are_a_line_each():
    result = run("losses", env={**os.environ, "COLUMNS": "40"})
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [loss.name for loss in BY_GROUP]
    for line, loss in zip(lines, BY_GROUP, strict=True):
        assert line.endswith(formula_line(loss.__doc__))
        assert all(f"{name}=" in line for name in loss.parameters)
        assert not set(line) & set("│─┃━|…") - set(formula_line(loss.__doc__))


def test_a_closed_pipe_ends_the_command_without_a_word():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, "losses"], stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("columns", [80, 120])
def test_losses_in_a_terminal_fit(columns):
    code, text = in_terminal("losses", columns=columns)
    assert code == 0
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert not any("…" in line for line in lines)
    for loss in SHIPPED:
        assert any(line.split()[:1] == [loss.name] for line in lines)
        assert set(formula_line(loss.__doc__).split()) <= set(text.split())  # on one line or two
        assert all(f"{name}=" in text for name in loss.parameters)


@pytest.mark.parametrize("loss", SHIPPED, ids=lambda loss: loss.name)
def test_formulas_come_without_markup(loss):
    line = formula_line(loss.__doc__)
    assert 0 < len(line) <= 60
    assert not set(line) & set("\\{}\n")


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\tfrac{1}{2} \left( z - t \right)^2", "1/2 (z - t)²"),
        (r"\max(0, 1 - t\,z)", "max(0, 1 - t z)"),
        (r"\log\cosh r", "log cosh r"),
        (r"\alpha_t (1 - p_t)^\gamma", "α_t (1 - p_t)^γ"),
        (r"\sum_k t_k \log \mathrm{softmax}(z)_k", "Σ_k t_k log softmax(z)_k"),
        (r"e^{-z} + e^{(1 - p) z}", "e^(-z) + e^((1 - p) z)"),
    ],
)
def test_latex_becomes_plain(latex, text):
    assert plain(latex) == text


def test_a_docstring_without_a_formula_gives_its_first_line():
    assert formula_line("Grows slowly.\n\nMore words.") == "Grows slowly."
    assert formula_line(None) == ""


# ----------------------------------------------------------------------------------------------- help and errors


def test_help_names_every_option_and_command(here):
    assert {"train", "losses", "--version"} <= set(run("--help").stdout.split())
    assert set(here("train", "--help").stdout.split()) >= TRAIN_OPTIONS
    assert here().stdout == here("--help").stdout == here("-h").stdout


def test_version():
    assert run("--version").stdout == f"rashin {rashin.__version__}\n"


def test_help_loads_nothing_heavy():
    script = "import sys; from rashin.cli import main; main(); print(*sys.modules, file=sys.stderr)"
    loaded = run("--help", command=[sys.executable, "-c", script]).stderr.split()
    assert "typer" in loaded
    assert not {"numba", "sklearn", "matplotlib", "rashin.learn"} & set(loaded)


def test_the_installed_command_is_the_same():
    installed = shutil.which("rashin", path=Path(sys.executable).parent)
    if installed is None:
        pytest.skip("the console script is not installed beside this Python")
    assert run("--version", command=[installed]).stdout == run("--version").stdout


def assert_refused(result, words):
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"rashin: [^\n]+\n", result.stderr)
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "No such command 'trian'"),
        (["--bogus"], "No such option: --bogus"),
        (["train", "--bogus"], "No such option: --bogus"),
        (["train", "extra"], "unexpected extra argument"),
        (["train", "--epochs"], "'--epochs' requires an argument"),
        (["train", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["train", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["train", "--batch-size", "0"], "Invalid value for '--batch-size'"),
        (["train", "--hidden", "-3"], "Invalid value for '--hidden'"),
        (["train", "--hidden", "50,0"], "got '50,0'; expected whole numbers >= 1, such as 50,20"),
        (["train", "--data", "cifar"], "got 'cifar'; expected digits, mnist, fashion, kmnist, or FILE.npz"),
        (["train", "--data", "none.npz"], "none.npz: No such file or directory"),
        (["train", "--optimizer", "lbfgs"], "optimizer: got 'lbfgs'; expected 'sgd', 'momentum', 'adam'"),
        (["train", "--activation", "step"], "activation: got 'step'; expected 'sigmoid', 'relu', 'tanh', 'identity'"),
        (["train", "--schedule", "steps"], "schedule: got 'steps'; expected 'constant', 'inverse', 'cosine'"),
        (["train", "--weight-decay", "-1"], "weight_decay: got -1.0; expected a finite number >= 0"),
        (["train", "--validation", "1"], "validation: got 1.0; expected a share in [0, 1)"),
        (["train", "--patience", "0"], "Invalid value for '--patience'"),
        (
            ["train", "--predictions", "p.csv"],
            "predictions: got 'p.csv'; expected a name that ends with .parquet or .npz",
        ),
        (["train", "--resume"], "rashin-run: got no checkpoint to resume from; expected one; fix: "),
        (["train", "--seed", "-1"], "Invalid value for '--seed'"),
        (["train", "--learning-rate", "fast"], "Invalid value for '--learning-rate'"),
        (["train", "--learning-rate", "0"], "learning_rate: got 0.0; expected a finite number > 0"),
        (["train", "--learning-rate", "nan"], "learning_rate: got nan; expected a finite number > 0"),
        (["train", "--learning-rate", "1e9"], "expected a loss that falls; fix: a learning rate well below"),
        (["train", "--loss", "softmax_cross_entropi"], "did you mean softmax_cross_entropy"),
        (
            ["train", "--loss", "no_module_of_this_name:loss"],
            "loss: got no_module_of_this_name:loss; expected a loss that can be imported",
        ),
        (["train", "--loss", "gamma"], "loss: got gamma, whose target is"),
        (["train", "--loss-parameter", "gamma"], "got 'gamma'; expected NAME=NUMBER"),
        (["train", "--loss-parameter", "gamma=3"], "got the parameter 'gamma'; expected"),
        (["train", "--loss", "focal", "--loss-parameter", "gamma=-1"], "gamma: got -1.0"),
        (["train", "--out", "taken.txt"], "taken.txt"),
        (["train", "--out", "taken.txt/run"], "taken.txt/run"),
        (["train", "--out", "."], "got other files, such as taken.txt"),
        (["losses", "extra"], "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_and_exit_code_2(arguments, words, here, tmp_path):
    (tmp_path / "taken.txt").write_text("mine")
    assert_refused(here(*arguments, cwd=tmp_path), words)
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.txt"]
    assert (tmp_path / "taken.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["train", "--learning-rate", "1e9"], "expected a loss that falls; fix: a learning rate well below"),
        (["train", "--out", "."], "got other files, such as "),
    ],
    ids=["of the parser", "while it runs", "of the disk"],
)
def test_an_error_of_the_process_is_one_line_and_exit_code_2(arguments, words, arrays, tmp_path):
    (tmp_path / "taken.txt").write_text("mine")
    assert_refused(run(*arguments, "--data", arrays / "classes.npz", cwd=tmp_path), words)


def test_without_scikit_learn_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rashin", "train"])
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main() == 2
    assert re.fullmatch(r"rashin: [^\n]+pip install '\.\[learn\]' in your clone of rashin\n", capsys.readouterr().err)


def test_a_fault_of_ours_is_not_dressed_up(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["rashin", "losses"])
    monkeypatch.setattr("rashin.cli.losses.list_losses", lambda: [None])
    with pytest.raises(AttributeError):
        main()
