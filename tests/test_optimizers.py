"""Each optimizer takes the steps of its paper, goes on from a saved state, and follows its schedule."""

from __future__ import annotations

import numpy as np
import pytest

from rashin.learn import OPTIMIZERS, SGD, Adam, Momentum, Network, Trainer, cosine, inverse_scaling
from rashin.learn.training.schedules import named_schedule

RNG = np.random.default_rng(3)
START, GRADIENTS = RNG.normal(size=4), RNG.normal(size=(6, 4)) * np.array([1.0, 1e-3, 1e3, 1e-6])


def moved(optimizer, gradients=GRADIENTS, dtype=np.float64):
    """The parameters after each step."""
    w, path = START.astype(dtype), []
    for gradient in gradients:
        optimizer.step([w], [gradient.astype(dtype)])
        path.append(w.copy())
    return np.array(path)


def as_published(name, rate):
    """The recursions as the papers write them, one number at a time."""
    w, path = START.copy(), []
    v, m, s = np.zeros(4), np.zeros(4), np.zeros(4)
    for t, g in enumerate(GRADIENTS, 1):
        if name == "sgd":
            w = w - rate * g
        elif name == "momentum":
            v = 0.9 * v - rate * g
            w = w + v
        elif name == "nesterov":  # the gradient is taken at w, and the step looks ahead
            v = 0.9 * v - rate * g
            w = w + 0.9 * v - rate * g
        else:
            m, s = 0.8 * m + 0.2 * g, 0.99 * s + 0.01 * g**2
            w = w - rate * (m / (1 - 0.8**t)) / (np.sqrt(s / (1 - 0.99**t)) + 1e-5)
        path.append(w)
    return np.array(path)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("sgd", SGD(0.3)),
        ("momentum", Momentum(0.3, momentum=0.9)),
        ("nesterov", Momentum(0.3, momentum=0.9, nesterov=True)),
        ("adam", Adam(0.3, beta_1=0.8, beta_2=0.99, epsilon=1e-5)),
    ],
)
def test_steps_are_those_of_the_paper(name, optimizer):
    np.testing.assert_allclose(moved(optimizer), as_published(name, 0.3), rtol=1e-12)


def test_the_first_step_of_adam_has_the_length_of_the_rate():
    """Without the correction of both means it would be three times as long."""
    path = moved(Adam(0.01, epsilon=1e-12), GRADIENTS[:1])
    np.testing.assert_allclose(np.abs(path[0] - START), 0.01, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("done", [0, 3])
def test_a_saved_state_goes_on_to_the_same_bits(name, done):
    whole, first, second = (OPTIMIZERS[name](0.2) for _ in range(3))
    expected = moved(whole, dtype=np.float32)
    w = START.astype(np.float32)
    for gradient in GRADIENTS[:done]:
        first.step([w], [gradient.astype(np.float32)])
    second.state = {key: array.copy() for key, array in first.state.items()}
    for gradient in GRADIENTS[done:]:
        second.step([w], [gradient.astype(np.float32)])
    np.testing.assert_array_equal(w, expected[-1])


def test_settings_are_the_numbers_it_was_made_with():
    assert Momentum(0.2, 0.5, nesterov=True).settings == {"learning_rate": 0.2, "momentum": 0.5, "nesterov": True}
    assert set(Adam().settings) == {"learning_rate", "beta_1", "beta_2", "epsilon"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(0.0), "learning_rate: got 0.0; expected a finite number > 0"),
        (lambda: Adam(np.nan), "got nan"),
        (lambda: Momentum(0.1, 1.0), r"momentum: got 1.0; expected a number in \[0, 1\)"),
        (lambda: Adam(beta_2=-0.1), r"beta_2: got -0.1; expected a number in \[0, 1\)"),
        (lambda: Adam(epsilon=0.0), "epsilon: got 0.0; expected a finite number > 0"),
        (lambda: inverse_scaling(-1.0), "power, period: got -1.0, .*; expected finite numbers"),
        (lambda: cosine(0), "steps: got 0; expected a whole number >= 1"),
    ],
)
def test_settings_out_of_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# -------------------------------------------------------------------------------------------------- schedules


def test_the_cosine_falls_from_all_to_nothing_and_stays_there():
    factors = [cosine(100)(step) for step in range(1, 121)]
    assert factors[0] == 1.0
    assert factors == sorted(factors, reverse=True)
    np.testing.assert_allclose(factors[50], 0.5, rtol=1e-12)
    assert 0.0 < factors[99] < 1e-3
    assert factors[110] == factors[119] == 0.0


def test_named_schedules_stretch_over_the_training():
    assert named_schedule("constant", 3, 5) is None
    np.testing.assert_allclose(named_schedule("inverse", 3, 5)(6), 0.5**0.5, rtol=1e-12)  # after one epoch
    assert named_schedule("cosine", 3, 5)(16) == 0.0


def test_the_schedule_sets_the_rate_of_each_step():
    """With a gradient of 1, what each step moves is its rate."""
    import rashin
    from rashin.learn import samples_for

    network = Network((1, 1), dtype=np.float64)
    network.parameters[0][:] = 100.0
    samples = samples_for(network, rashin.absolute_error, np.ones((4, 1)), np.zeros(4))
    trainer = Trainer(network, rashin.absolute_error, SGD(0.5), batch_size=1, schedule=lambda step: 1.0 / step)
    seen = [100.0]
    trainer.epoch(samples, callback=lambda _: seen.append(float(network.parameters[0][0, 0])))
    np.testing.assert_allclose(-np.diff(seen), [0.5, 0.25, 0.5 / 3, 0.125], rtol=1e-12)
