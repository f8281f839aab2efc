"""The audit: nothing in ours, known faults in others, and how it is reported."""

from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import rashin
from audited import objectives, plain
from rashin.audit import Finding, Report, assert_sound, check, read_baseline, write_baseline
from rashin.cli import main
from shipped import SHIPPED, name_of

OF_OTHER_ARRAYS = [
    rashin.huber.replace(delta=0.7),
    rashin.sigmoid_cross_entropy.replace(positive_weight=2.0),
    rashin.softmax_cross_entropy.replace(label_smoothing=0.1),
    rashin.poisson,
    rashin.gaussian,
]


def keys(report, *severities):
    return {one.key for one in report.findings if not severities or one.severity in severities}


# ------------------------------------------------------------------------------------------------ ours


@pytest.mark.parametrize("loss", SHIPPED, ids=name_of)
def test_nothing_is_found_in_ours(loss):
    report = check(loss)
    assert not report.findings
    assert report.agreement["float32"]["value"] <= 0.51
    assert report.agreement["float32"]["gradient"] <= 0.7


@pytest.mark.parametrize("loss", OF_OTHER_ARRAYS, ids=name_of)
def test_nothing_is_found_in_ours_on_tensors(loss):
    pytest.importorskip("torch")
    assert not check(loss, library="torch").findings


def test_nothing_is_found_in_ours_on_jax():
    pytest.importorskip("jax")
    assert not keys(check(rashin.huber, library="jax"), "wrong", "inexact")


# ------------------------------------------------------------------------------------------------ what must be found

OBJECTIVES = {
    "focal_without_curvature_of_positives": {"hessian:hessian:float64", "nan:gradient:float32"},
    "focal_with_quotients": {"nan:hessian:float32", "nan:hessian:float64"},
    "focal_by_differences": {"nan:gradient:float64", "hessian:hessian:float64"},
    "by_probability": {"gradient:gradient:float64"},
    "squared_log_with_wrong_curvature": {"hessian:hessian:float64"},
    "half_gradient": {"gradient:gradient:float64"},
    "negated": {"sign:gradient"},
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_faults_of_objectives_are_found(name):
    like = rashin.sigmoid_cross_entropy if name == "by_probability" else None
    report = check(getattr(objectives, name), like)
    assert OBJECTIVES[name] <= keys(report, "wrong")


OF_WEIGHTS = {
    "weights_ignored": {"weight:gradient", "weight:hessian"},
    "WeightsIgnored": {"weight:gradient", "weight:hessian"},
    "weights_twice": {"weight:gradient"},
    "weights_in_curvature_twice": {"weight:hessian"},
    "weights_unless_none": set(),
}


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_weights_are_tried_on_gradients_and_hessians(name):
    assert keys(check(getattr(objectives, name)), "wrong", "inexact") == OF_WEIGHTS[name]


def test_a_gradient_beside_a_weighted_value_is_its_derivative():
    report = check(plain.weighted_value_beside_gradient_by_samples, ignore=["broadcast"])
    (found,) = report.worst("inexact")
    assert found.key == "weight:gradient"
    assert "1.75 times the derivative of the weighted value" in found.text


def test_weights_of_an_adapter_count_once():
    catboost = pytest.importorskip("rashin.adapters.catboost")
    assert not {one.code for one in check(catboost.objective(rashin.huber)).findings} & {"weight", "gradient", "call"}


@pytest.mark.parametrize("name", ["mean_with_gradients_of_rows", "sum_with_gradient_of_mean"])
def test_a_value_and_a_gradient_that_differ_by_n_are_found(name):
    report = check(getattr(plain, name), ignore=["broadcast"])
    assert keys(report, "wrong") == {"reduction:gradient"}


def test_a_sound_derivative_of_an_objective_is_not_blamed():
    report = check(objectives.logistic)
    assert report.like == "sigmoid_cross_entropy(positive_weight=1.0)"
    assert not {one.code for one in report.findings} & {"gradient", "hessian", "sign", "batch", "shape"}


SOUND_DERIVATIVES = ["absolute_with_kink", "quartic_in_float32", "mean_of_quartic", "pinball_with_unit_curvature"]


@pytest.mark.parametrize("name", SOUND_DERIVATIVES)
def test_kinks_narrow_results_and_means_are_not_blamed(name):
    assert not {one.code for one in check(getattr(plain, name)).findings if one.severity == "wrong"} & {
        "gradient",
        "hessian",
        "batch",
        "digits",
        "reduction",
    }


def test_a_wrong_gradient_is_found_without_a_loss_to_compare_with():
    report = check(plain.quartic_with_wrong_gradient)
    assert report.like == ""
    (found,) = [one for one in report.findings if one.code == "gradient"]
    assert found.severity == "wrong"
    assert "0.75 times it" in found.text


FOUND = {
    "naive_logistic": {"inf:value:float32", "digits:value:float32", "broadcast", "target:-1"},
    "weighted_by_samples": {"weight"},
    "leaking_mean": {"batch"},
    "weights_squared": {"weight"},
    "random_error": {"random"},
}


@pytest.mark.parametrize("name", FOUND)
def test_faults_of_plain_functions_are_found(name):
    assert FOUND[name] <= keys(check(getattr(plain, name)))


def test_an_epsilon_is_not_taken_for_float32():
    found = keys(check(plain.log_of_shifted_probability))
    assert "digits:value:float32" in found
    assert "precision:float64" not in found


def test_the_rounding_of_the_reference_is_not_blamed():
    def poisson_of_rate(mu, y):
        return np.sum(mu - y * np.log(mu)), 1.0 - y / mu

    report = check(poisson_of_rate, ignore=["broadcast", "target"])
    assert report.like == "poisson()"
    assert not report.worst("wrong")
    assert max(report.agreement["float64"].values()) <= 4.0


def test_one_number_for_equal_exact_results_is_not_a_clip():
    report = check(lambda p, t: np.mean(np.abs(p - t)) * (1.0 + 1e-6))
    assert {"ulps:value:float64"} == {one for one in keys(report) if "float64" in one}
    clipped = check(lambda p, t: np.minimum(np.abs(p - t), 30.0), "absolute_error")
    assert "clip:value:float64" in keys(clipped, "wrong")


def changing(pred, target):
    pred -= target
    pred *= pred
    return pred.mean()


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_function_that_overwrites_its_arguments_is_checked_on_copies(library):
    pytest.importorskip(library)
    report = check(changing, library=library)
    assert report.like == "squared_error()"
    (found,) = [one for one in report.worst("wrong") if one.code == "input"]
    assert "a call overwrites the prediction;" in found.text


def test_data_of_boosters_are_left_as_they_are():
    def centred(predt, dtrain):
        labels = dtrain.get_label()
        labels -= predt
        return -labels, np.ones_like(predt)

    (found,) = [one for one in check(centred).worst("wrong") if one.code == "input"]
    assert "overwrites the target;" in found.text


def test_a_list_of_values_is_not_a_value_and_a_gradient():
    report = check(lambda p, t: [float((a - b) ** 2) for a, b in zip(p, t, strict=True)])
    assert report.like == "squared_error()"
    assert "returns a number per sample" in report.assumed


@pytest.mark.parametrize("classes", [2, 3])
def test_hard_rows_of_other_numbers_of_classes(classes):
    assert not check(rashin.softmax_cross_entropy, classes=classes).findings
    assert not check(rashin.categorical_cross_entropy, classes=classes).findings


def test_weights_of_classes_state_their_number():
    torch = pytest.importorskip("torch")
    loss = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    report = check(loss, domain="labels", ignore=["empty"])
    assert "takes labels" in report.assumed[0]
    for one in report.findings:
        eval(one.example or "None", {"torch": torch, "f": loss})
    inner = functools.partial(torch.nn.functional.nll_loss, weight=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    partial = check(inner, domain="log-probability-labels")
    assert "takes log-probability-labels" in partial.assumed[0]
    assert all(one.example.startswith("f(") for one in partial.findings if one.example)
    assert check(lambda z, t: inner(z, t), library="torch", domain="labels", classes=3).target
    with pytest.raises(ValueError, match=r"weight tensor .*fix: state .*--classes"):
        check(lambda z, t: inner(z, t), library="torch", domain="labels")


def test_the_library_of_a_partial_is_that_of_its_function():
    torch = pytest.importorskip("torch")
    report = check(functools.partial(torch.nn.functional.huber_loss, delta=0.7))
    assert report.like == "huber(delta=0.7)"
    with pytest.raises(ValueError, match=r"no attribute 'detach'.*fix: state --library torch or jax"):
        check(lambda p, t: ((p.detach() - t) ** 2).mean())


def test_a_gradient_that_is_cut_is_wrong():
    torch = pytest.importorskip("torch")

    def cut(pred, target):
        return torch.mean((pred - target).detach() ** 2)

    assert "gradient:gradient" in keys(check(cut, library="torch"), "wrong")


def test_a_factor_is_not_rounded_away():
    report = check(lambda pred, target: np.mean((pred - target) ** 2) * 1.0001, like="squared_error")
    assert report.like == "1.0001 x squared_error()"
    assert "factor:value" in keys(report, "convention")


def test_severities():
    found = {one.key: one.severity for one in check(plain.weighted_by_samples).findings}
    assert found["weight"] == "convention"
    assert {one.key: one.severity for one in check(plain.weights_squared).findings}["weight"] == "wrong"


# ------------------------------------------------------------------------------------------------ what is found out


def test_what_is_found_out_is_said():
    report = check(plain.naive_logistic)
    assert report.like == "sigmoid_cross_entropy(positive_weight=1.0)"
    assert "is called with (target, prediction)" in report.assumed
    assert "returns the mean" in report.assumed
    assert report.versions["rashin"] == rashin.__version__


def test_the_order_is_found_out_if_no_name_tells():
    assert check(
        lambda a, b: np.mean(np.where(a < b, 0.9 * (b - a), 0.1 * (a - b))), "quantile(quantile=0.9)"
    ).like == ("quantile(quantile=0.9)")
    reversed_ = check(lambda a, b: np.mean(np.where(b < a, 0.9 * (a - b), 0.1 * (b - a))), "quantile(quantile=0.9)")
    assert "is called with (target, prediction)" in reversed_.assumed


def test_a_root_and_an_exponential_of_a_mean_are_recognised():
    assert check(lambda z, t: np.sqrt(np.mean((z - t) ** 2))).like == "root of squared_error()"


def test_a_stated_loss_with_other_parameters_is_compared():
    loss = rashin.huber.replace(delta=0.7)
    assert not keys(check(lambda z, t: loss(z, t), "huber(delta=0.7)"), "wrong", "inexact")
    report = check(lambda z, t: loss(z, t), "huber(delta=0.9)")
    assert any("differs from huber(delta=0.9)" in line for line in report.assumed)
    assert "like:value" in keys(report, "wrong")
    assert "factor:value" in keys(check(lambda z, t: 3.0 * loss(z, t), "huber(delta=0.7)"), "convention")


def test_the_numbers_that_a_function_states_are_tried_as_parameters():
    assert check(plain.huber_of).like == "huber(delta=1.5)"
    assert check(plain.narrow_huber).like == "huber(delta=0.5)"
    assert check("audited.plain:WithMethod.loss", settings={"delta": 2.5}).like == "huber(delta=2.5)"


def test_a_loss_that_resembles_another_for_small_predictions_only_is_not_taken_for_it():
    report = check(plain.huber_with_hidden_delta)
    assert report.like == ""
    assert any("brier" in line and "small predictions only" in line for line in report.assumed)
    assert check(plain.huber_with_hidden_delta, "huber(delta=0.5)").like == "huber(delta=0.5)"


def test_of_what_an_unknown_loss_accepts_that_is_chosen_in_which_batches_add_up():
    pytest.importorskip("torch")
    report = check("audited.torch_functions:smoothed")
    assert report.like == ""
    assert "takes labels" in report.assumed[0]
    assert "batch" not in keys(report)


def test_what_is_not_tested_of_an_unknown_loss_is_said():
    report = check(plain.mean_of_quartic)
    assert report.tested[0] == "the gradient as the derivative of the value"
    assert report.untested == ("whether the value is right", "infinities", "lost digits")
    assert "Not recognised. Tested: the gradient as the derivative of the value, NaN" in str(report)
    assert "state the loss that it must equal with --like NAME" in str(report)
    assert check(plain.naive_logistic).untested == ()


def test_the_worst_input_can_be_pasted():
    report = check(plain.naive_logistic)
    (found,) = [one for one in report.findings if one.key == "inf:value:float32"]
    scope = {"np": np, "audited": sys.modules["audited"]}
    with np.errstate(over="ignore"):
        assert eval(found.example, scope) == np.inf


RUNNING = {
    "naive_logistic": plain.naive_logistic,
    "a lambda": plain.largest_error,
    "a partial": plain.narrow_huber,
    "data of a booster": objectives.focal_with_quotients,
    "weights of a booster": objectives.weights_twice,
    "weights of an estimator": objectives.weights_in_curvature_twice,
    "weights of CatBoost": "audited.objectives:WeightsIgnored",
    "a method": "audited.plain:WithMethod.loss",
    "a metric with labels": "sklearn.metrics:log_loss",
    "tensors": "torch.nn:BCELoss",
    "JAX arrays": "optax:log_cosh",
}


@pytest.fixture
def types_of_jax():
    """The preparation of JAX's examples makes all of the process have 64-bit types."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("types_of_jax")
@pytest.mark.parametrize("name", RUNNING)
def test_examples_run_as_they_are_printed(name):
    for package in {"tensors": ["torch"], "JAX arrays": ["jax", "optax"]}.get(name, []):
        pytest.importorskip(package)
    report = check(RUNNING[name])
    examples = [one.example for one in report.findings if one.example]
    assert examples
    scope = {}
    exec(report.preparation, scope)
    with np.errstate(all="ignore"):
        for one in examples:
            eval(one, scope)


def test_what_has_no_name_is_called_f():
    report = check(lambda prediction, target: np.mean((prediction - target) ** 2))
    (found,) = [one.example for one in report.findings if one.code == "broadcast"]
    assert found.startswith("f(np.array(")
    assert report.preparation == "import numpy as np  # f: the function that was checked"


# ------------------------------------------------------------------------------------------------ the report


def test_a_report_as_json():
    report = check(objectives.half_gradient)
    read = json.loads(report.to_json())
    assert read["like"] == "squared_error()"
    assert [one["key"] for one in read["findings"]] == [one.key for one in report.findings]
    assert "gradient" in str(report)
    assert "0.5 times it" in str(report)


def test_assert_sound_shows_what_it_found(tmp_path):
    with pytest.raises(AssertionError, match=r"0\.5 times it"):
        assert_sound(objectives.half_gradient)
    known = tmp_path / "accepted.json"
    write_baseline(known, [check(objectives.half_gradient)])
    assert_sound(objectives.half_gradient, baseline=known, fail_on="convention")
    assert assert_sound(rashin.huber, fail_on="convention").like == "huber(delta=1.0)"


def test_a_baseline_keeps_other_targets_and_accepts_no_new_findings(tmp_path):
    file = tmp_path / "accepted.json"
    write_baseline(file, [Report("a", "", (), (Finding("wrong", "nan", "NaN", "value", "float32", size=0.25),))])
    write_baseline(file, [Report("b", "", (), ())])
    assert read_baseline(file) == {"a": {"nan:value:float32": ("wrong", 0.25)}, "b": {}}
    other = Report("a", "", (), (Finding("wrong", "nan", "NaN", "value", "float64"),))
    assert other.worst("wrong", read_baseline(file)["a"])


@pytest.mark.parametrize("text", ["[]", '{"accepted": {"a": ["nan"]}}', '{"accepted": {"a": {"nan": {"size": 1}}}}'])
def test_a_file_that_is_not_a_baseline(tmp_path, text):
    file = tmp_path / "accepted.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"baseline: got .*; expected a file that --update-baseline wrote"):
        read_baseline(file)


def test_a_baseline_does_not_accept_a_fault_that_became_worse(tmp_path):
    file = tmp_path / "accepted.json"
    slightly = check(lambda z, t: (np.sum((z - t) ** 2), 2.01 * (z - t)), ignore=["broadcast"])
    write_baseline(file, [slightly])
    accepted = read_baseline(file)[slightly.target]
    assert not slightly.worst("convention", accepted)
    worse = check(lambda z, t: (np.sum((z - t) ** 2), 3.0 * (z - t)), ignore=["broadcast"])
    assert [one.key for one in worse.worst("convention", accepted)] == ["gradient:gradient:float64"]
    graver = Report("a", "", (), (Finding("wrong", "one-target", "silently"),))
    assert graver.worst("wrong", accepted)


BAD = {
    "nothing here": "expected package.module:function",
    "audited.plain.huber_of": "; fix: audited.plain:huber_of",
    "audited/plain.py:huber_of": "; fix: audited.plain:huber_of",
    "no.such.module:f": "expected a module that can be imported",
    "rashin:no_such_loss": "expected a name that rashin has",
    "rashin.domain:REAL": "expected a function or a loss",
    "audited.plain:refusing": "accepts none of the inputs",
    "audited.plain:NeedsArguments": "cannot be instantiated",
}


@pytest.mark.parametrize("target", BAD)
def test_bad_targets(target):
    with pytest.raises((ValueError, TypeError), match=BAD[target]):
        check(target)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"domain": "reals"}, r"domain: got 'reals'; expected one of real, binary"),
        ({"order": "zt"}, "order: got 'zt'; expected prediction,target or target,prediction"),
        ({"library": "mxnet"}, "library: got 'mxnet'; expected one of numpy, torch"),
        ({"like": "hubert"}, "did you mean huber"),
    ],
)
def test_bad_choices(choice, message):
    with pytest.raises(ValueError, match=message):
        check(plain.naive_logistic, **choice)


# ------------------------------------------------------------------------------------------------ the command line


MINE = """
import sys
import time
def loss(z, t):
    return (z - t) ** 2
def spinning(z, t):
    while True:
        pass
def stubborn(z, t):
    while True:
        try:
            time.sleep(60.0)
        except BaseException:
            pass
def talking(z, t):
    print("hello")
    return (z - t) ** 2
def ending(z, t):
    sys.exit(3)
class Needs:
    def __init__(self, delta):
        self.delta = delta
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command line, run in a folder with a module of the user's: its exit code and what it printed."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", "check", *arguments])
        code = main()
        return code, *capsys.readouterr()

    yield run
    sys.modules.pop("mine", None)


def test_the_command_finds_faults_and_accepts_a_baseline(command):
    code, out, _ = command("mine:loss")
    assert code == 1
    assert "squared_error()" in out
    assert "broadcast" in out
    code, out, _ = command("mine:loss", "--baseline", "known.json", "--update-baseline", "--json")
    assert code == 0
    assert json.loads(out)["accepted"] == sorted(read_baseline("known.json")["mine.loss"])
    assert command("mine:loss", "--baseline", "known.json", "--fail-on", "convention")[0] == 0
    known = Path("known.json").read_text()
    Path("known.json").write_text(known.replace('"wrong"', '"inexact"'))
    code, out, _ = command("mine:loss", "--baseline", "known.json")
    assert code == 1
    assert "worse than in the baseline" in " ".join(out.split())
    assert "3 accepted by the baseline" in out
    assert command("mine:loss", "--ignore", "broadcast")[0] == 0
    code, out, error = command("mine:talking", "--json")
    assert (code, json.loads(out)["target"]) == (1, "mine.talking")
    assert error.startswith("hello\n")


BAD_COMMANDS = {
    ("mine:lost",): "rashin: target: got 'mine:lost'; expected a name that mine has",
    ("mine:loss", "--fail-on", "serious"): "rashin: fail_on: got 'serious'",
    ("mine:loss", "--update-baseline"): "rashin: Invalid value for '--update-baseline': got no file",
    ("mine:loss", "--set", "delta"): "rashin: Invalid value for '--set': got 'delta'; expected NAME=VALUE",
    ("mine:loss", "--like", "hubert"): "rashin: loss: got 'hubert'; expected the name of a loss; ",
    ("mine:loss", "--like", "huber(delta=2"): "rashin: loss: got 'huber(delta=2'; expected text such as",
    ("mine:loss", "--classes", "1"): "rashin: classes: got 1; expected a whole number from 2 to",
    ("mine:loss", "--ignore", "nosuch"): "rashin: ignore: got 'nosuch'; expected codes of findings: like, factor",
    ("mine:ending",): "rashin: target: got mine:ending, which ends the process (sys.exit)",
    ("mine:loss", "--seconds", "0"): "rashin: seconds: got 0.0; expected a number above 0",
    ("mine:spinning", "--seconds", "0.2"): "rashin: target: got mine:spinning, whose check takes longer than 0.2 s",
    ("mine:Needs",): "rashin: target: got Needs, which cannot be instantiated (TypeError",
}


@pytest.mark.parametrize("arguments", BAD_COMMANDS, ids=" ".join)
def test_a_bad_command_is_one_line(command, arguments):
    code, out, error = command(*arguments)
    assert (code, out) == (2, "")
    assert error.startswith(BAD_COMMANDS[arguments])
    assert error.count("\n") == 1


def test_a_target_that_catches_everything_ends_with_the_process(command, tmp_path):
    called = [sys.executable, "-m", "rashin", "check", "mine:stubborn", "--seconds", "0.1"]
    done = subprocess.run(called, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rashin: target: got mine:stubborn, whose check takes longer than 0.1 s")
    assert done.stderr.count("\n") == 1


def test_a_limit_leaves_the_alarm_of_others():
    seen = []
    kept = signal.signal(signal.SIGALRM, lambda *_: seen.append("rung"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(TimeoutError, match=r"test_a_limit.*takes longer than 0\.1 s; .*fix: raise --seconds"):
            check(lambda z, t: time.sleep(5.0), seconds=0.1)
        time.sleep(0.3)
        assert seen == ["rung"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, kept)


def test_the_command_as_a_process(tmp_path):
    called = [sys.executable, "-W", "error", "-m", "rashin", "check", "rashin:huber"]
    done = subprocess.run(called, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 findings" in done.stdout
