"""The Lab's gradients: against JAX, where float64 fails against mpmath, and against Keras."""

import jax
import jax.numpy as jnp
import keras
import mpmath
import numpy as np
import pytest

from model.lab.arithmetic import slope
from model.lab.clipping import clipping
from model.lab.saturation import saturation
from model.lab.scalar_rnn import inputs, paths
from model.lab.truncation import truncation

DRAWS = 100
LENGTHS = range(2, 7)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def draw(seed: int, T: int, spread: float = 1.0) -> tuple[dict, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = dict(zip(("W", "U", "V", "h0"), rng.normal(0, spread, 4).tolist(), strict=True))
    return weights, rng.normal(0, 1, T)


def z(W, U, V, h0, x, cut=0):
    """Exercise 2 in JAX; after each `cut` steps the gradient stops."""
    h, product = h0, 1.0
    for t in range(len(x)):
        if cut and t % cut == 0:
            h = jax.lax.stop_gradient(h)
        h = jnp.tanh(W * h + U * x[t])
        product *= V * h
    return product


def assert_close(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (np.abs(actual - expected) <= 1e-10 + 1e-8 * np.abs(expected)).all()


def texts_as_arguments(weights: dict, x: np.ndarray) -> dict:
    return weights | {"x": tuple(x.tolist())}


@pytest.mark.parametrize("T", LENGTHS)
def test_jax_agrees_on_all_gradients(T):
    by_parameters = jax.jit(jax.grad(z, argnums=(0, 1, 2)))
    of_W_by_x = jax.jit(jax.jacobian(jax.grad(z, argnums=(0, 1)), argnums=4))
    cut = jax.jit(jax.grad(lambda *given: z(*given, cut=2), argnums=(0, 1, 2)))
    for seed in range(DRAWS):
        weights, x = draw(seed, T)
        given = texts_as_arguments(weights, x)
        found = paths(**given)
        names = ("dz_dW", "dz_dU", "dz_dV")
        expected = by_parameters(*weights.values(), x)
        assert_close([found[name] for name in names], expected)
        assert_close(sum(path["value"] for path in found["paths"]), expected[0])
        changes = inputs(**given)["changes"]
        assert_close(
            [[change[name] for change in changes] for name in ("dz_dW", "dz_dU")],
            of_W_by_x(*weights.values(), x),
        )
        carry = truncation(**given, piece=2)["carry"]
        assert_close([carry[name] for name in names], cut(*weights.values(), x))


def exact_z(weights: dict, x: np.ndarray) -> dict:
    """∂z/∂(W, U, V) and the sums of their terms' absolute values, with 60 digits."""
    W, U, V, h0 = (mpmath.mpf(weight) for weight in weights.values())
    T = len(x)
    x = [mpmath.mpf(value) for value in x]
    h = [h0]
    for t in range(T):
        h.append(mpmath.tanh(W * h[t] + U * x[t]))
    slopes = [1 / mpmath.cosh(W * h[t] + U * x[t]) ** 2 for t in range(T)]
    terms = {"dz_dW": [], "dz_dU": [], "dz_dV": []}
    for t in range(T):
        others = mpmath.fprod(V * h[i + 1] for i in range(T) if i != t)
        terms["dz_dV"].append(others * h[t + 1])
        for s in range(t + 1):
            chain = mpmath.fprod(slopes[j] * W for j in range(s + 1, t + 1))
            terms["dz_dW"].append(others * V * chain * slopes[s] * h[s])
            terms["dz_dU"].append(others * V * chain * slopes[s] * x[s])
    return {name: (sum(of), sum(map(abs, of))) for name, of in terms.items()}


@pytest.mark.parametrize("T", LENGTHS)
def test_saturated_gradients_have_all_their_digits(T):
    with mpmath.workdps(60):
        for seed in range(20):
            weights, x = draw(seed, T, spread=15.0)
            found = paths(**texts_as_arguments(weights, x))
            for name, (expected, size) in exact_z(weights, x).items():
                assert abs(found[name] - expected) <= 1e-12 * size + 1e-300, (seed, name)


def exact_loss(a, b, c, x) -> dict:
    """As `exact_z`, of exercise 6."""
    a, b, c = mpmath.mpf(a), mpmath.mpf(b), mpmath.mpf(c)
    h, slopes, terms = [mpmath.mpf(0)], [], {"dL_da": [], "dL_db": [], "dL_dc": []}
    for value in x:
        tau = a * mpmath.mpf(value) + b * h[-1] + c
        h.append(mpmath.tanh(tau))
        slopes.append(1 / mpmath.cosh(tau) ** 2)
    for t in range(len(x)):
        for s in range(t + 1):
            chain = mpmath.fprod(slopes[j] * b for j in range(s + 1, t + 1))
            back = 2 * h[t + 1] * chain * slopes[s]
            terms["dL_da"].append(back * mpmath.mpf(x[s]))
            terms["dL_db"].append(back * h[s])
            terms["dL_dc"].append(back)
    found = {name: (sum(of), sum(map(abs, of))) for name, of in terms.items()}
    return found | {"loss": (sum(v * v for v in h),) * 2}


@pytest.mark.parametrize(
    ("a", "b", "c"), [(20, 1, 1), (1, 1, 0), (-30, 2, 0.5), (60, -1, 3), (5, 40, 0), (0, 0, 0)]
)
def test_exercise_6_has_all_its_digits(a, b, c):
    with mpmath.workdps(60):
        for x in ((0.5, -1.0), (0.5, -1.0, 0.3, 0.9, -0.2)):
            found = saturation(a=a, b=b, c=c, x=x)
            for name, (expected, size) in exact_loss(a, b, c, x).items():
                assert abs(found[name] - expected) <= 1e-12 * size + 1e-300, name


def test_slope_has_its_digits_where_one_minus_the_square_has_none():
    with mpmath.workdps(60):
        for tau in (0.0, 0.3, -5.0, 11.0, -18.0, 19.1, 300.0):
            expected = 1 / mpmath.cosh(mpmath.mpf(tau)) ** 2
            assert abs(slope(tau) - expected) <= 1e-14 * expected, tau
    assert slope(1000.0) == slope(-1e308) == 0  # less than float64 can hold, and no overflow


@pytest.mark.parametrize("method", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_keras_clips_the_same(method):
    rng = np.random.default_rng(0)
    cases = [((3.0, 4.0), (0.6, 0.8, 0.0)), ((0.0, 0.0),), ((0.1,), (0.2, -0.1))]
    cases += [
        tuple(tuple(rng.normal(0, 3, size).tolist()) for size in (2, 5, 3)) for _ in range(10)
    ]
    for g in cases:
        for c in (1.0, 0.25):
            # With rate 1 a step from 0 is the clipped gradient, turned round.
            optimizer = keras.optimizers.SGD(1.0, **{method: c})
            variables = [keras.Variable(np.zeros(len(v)), dtype="float32") for v in g]
            optimizer.apply([keras.ops.convert_to_tensor(v, "float32") for v in g], variables)
            for variable, expected in zip(variables, clipping(g=g, c=c)[method], strict=True):
                moved = -keras.ops.convert_to_numpy(variable)
                np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-6)
