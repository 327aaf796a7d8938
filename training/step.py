"""One optimizer step, compiled, on either backend; and the state that it moves.

Own code rather than `Model.fit`, because a step here also warps its images on the device,
measures the gradient before it is clipped and keeps the average of the weights; and so
that a run can be resumed to the bit.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from model import signature
from training import augment, distribute
from training.config import TrainingConfig
from training.mixture import NO_DIGIT
from training.teacher import Teacher, logits_model

MOMENTUM = 0.9  # of SGD

# Takes uint8 images, labels and a warp (or None); returns loss and gradient norms.
Step = Callable[[np.ndarray, np.ndarray, tuple | None], dict[str, np.ndarray]]


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine to 0."""

    def __init__(self, peak: float, steps: int, warmup: float):
        self.peak, self.steps, self.warmup = peak, steps, max(1, round(warmup * steps))

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rise = (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        fall = 0.5 * (1 + ops.cos(np.pi * ops.clip(progress, 0.0, 1.0)))
        return self.peak * ops.minimum(rise, fall)


def make_optimizer(config: TrainingConfig, model: keras.Model, steps: int) -> keras.Optimizer:
    """`config.optimizer` with its way of clipping; AdamW decays kernels only."""
    rate = Schedule(config.learning_rate, steps, config.warmup)
    names = ("clipnorm", "global_clipnorm", "clipvalue")
    clipping = {name: getattr(config, name) for name in names}
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM, **clipping)
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **clipping)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)
    return optimizer


def loss(outputs: dict, labels, config: TrainingConfig):
    """CE(answer) + step_loss · mean CE(y_t) + belief_loss · mean CE(downward reader),
    and score_loss · CE(score) where the network has one.

    A network without steps (`training.cnn`) has the answer's and the score's alone. Labels are
    0..9, and `NO_DIGIT` for a drawing that is none: every digit alike is then the target. All are
    means over the batch.
    """
    is_digit = ops.cast(labels < NO_DIGIT, "float32")  # (batch,)
    nothing = (1 - is_digit)[:, None] / signature.DIGITS
    targets = ops.one_hot(ops.cast(labels, "int32"), signature.DIGITS) + nothing
    weights = is_digit + config.no_digit_weight * (1 - is_digit)

    def cross_entropy(logits, targets, weights):
        return ops.mean(-ops.sum(targets * ops.log_softmax(logits), axis=-1) * weights)

    total = cross_entropy(outputs["logits"], targets, weights)
    if "step_logits" in outputs:
        every_step = targets[:, None, :], weights[:, None]
        total += config.step_loss * cross_entropy(outputs["step_logits"], *every_step)
        total += config.belief_loss * cross_entropy(outputs["belief_logits"], *every_step)
    if "score_logits" in outputs:
        no_digit = (1 - is_digit)[:, None]  # (batch, 1)
        total += config.score_loss * ops.mean(
            ops.binary_crossentropy(no_digit, outputs["score_logits"], from_logits=True)
        )
    return total


class Trainer:
    """A model in training: its weights, their average, and the optimizer's state.

    `step` moves everything by one batch. `model` holds the current weights at all times
    under TensorFlow, and after `sync` under JAX. With a `distribution`, in whose scope model
    and trainer must be made, all its devices share each batch.
    """

    def __init__(
        self,
        model: keras.Model,
        config: TrainingConfig,
        steps: int,
        teachers: Sequence[Teacher] = (),
        distribution: keras.distribution.DataParallel | None = None,
    ):
        self.model, self.config = model, config
        self.teachers, self.distribution = teachers, distribution
        self.optimizer = make_optimizer(config, model, steps)
        self.averages = [keras.Variable(v, trainable=False) for v in model.trainable_variables]
        backend = {"jax": _jax_step, "tensorflow": _tensorflow_step}[keras.backend.backend()]
        self.step: Step
        self.step, self.sync = backend(self)

    @property
    def variables(self) -> list[keras.Variable]:
        """Everything that a checkpoint must hold."""
        return [*self.model.variables, *self.averages, *self.optimizer.variables]

    def evaluated_weights(self) -> list[np.ndarray]:
        """The weights to evaluate and keep: the averages, or the last ones where ema is 0."""
        kept = self.averages if self.config.ema else self.model.trainable_variables
        return [ops.convert_to_numpy(variable) for variable in kept]

    def average(self, average, weight, iteration):
        # Starts as a plain mean, so that the first random weights are soon forgotten.
        count = ops.cast(iteration, "float32") + 1
        memory = ops.minimum(self.config.ema, count / (count + 10))
        return memory * average + (1 - memory) * weight

    def prepare(self, images, warp):
        images = ops.cast(images, "float32")
        return images if warp is None else augment.warp(images, *warp)

    def loss(self, outputs, labels, images):
        """`loss`, and the mean of the teachers'; `images` come from `prepare`."""
        total = loss(outputs, labels, self.config)
        for teacher in self.teachers:
            total += teacher.loss(outputs, images, self.config) / len(self.teachers)
        return total


def _norms(gradients) -> dict:
    """Norm of the whole gradient and of its largest variable, before clipping."""
    squares = ops.stack([ops.sum(ops.square(g)) for g in gradients])
    return {
        "gradient_norm": ops.sqrt(ops.sum(squares)),
        "largest_variable_norm": ops.sqrt(ops.max(squares)),
    }


def _tensorflow_step(trainer: Trainer) -> tuple[Step, Callable[[], None]]:
    import tensorflow as tf

    logits = logits_model(trainer.model)
    weights = trainer.model.trainable_variables

    @tf.function(jit_compile=True)  # measured: benchmarks/README.md
    def step(images, labels, warp):
        with tf.GradientTape() as tape:
            images = trainer.prepare(images, warp)
            value = trainer.loss(logits(images, training=True), labels, images)
        gradients = tape.gradient(value, weights)
        # A copy: `apply` moves the variable itself.
        iteration = tf.identity(trainer.optimizer.iterations.value)
        trainer.optimizer.apply(gradients, weights)
        for average, weight in zip(trainer.averages, weights, strict=True):
            average.assign(trainer.average(average, weight, iteration))
        return {"loss": value, **_norms(gradients)}

    def run(images, labels, warp):
        metrics = step(images, labels, warp)
        return {name: metric.numpy() for name, metric in metrics.items()}

    return run, lambda: None


def _jax_step(trainer: Trainer) -> tuple[Step, Callable[[], None]]:
    import jax

    logits = logits_model(trainer.model)
    optimizer = trainer.optimizer
    groups = (
        trainer.model.trainable_variables,
        trainer.model.non_trainable_variables,
        optimizer.variables,
        trainer.averages,
    )
    # `stateless_call` wants the order of `logits`, whose layers may stand differently.
    place = {id(variable): i for i, variable in enumerate(groups[0])}
    order = [place[id(variable)] for variable in logits.trainable_variables]

    def step(state, images, labels, warp):
        weights, others, optimizer_state, averages = state

        seen = trainer.prepare(images, warp)

        def forward(weights):
            outputs, moved = logits.stateless_call(
                [weights[i] for i in order], others, seen, training=True
            )
            return trainer.loss(outputs, labels, seen), moved

        (value, others), gradients = jax.value_and_grad(forward, has_aux=True)(weights)
        iteration = optimizer_state[0]  # Keras builds it first
        weights, optimizer_state = optimizer.stateless_apply(optimizer_state, gradients, weights)
        averages = [
            trainer.average(a, w, iteration) for a, w in zip(averages, weights, strict=True)
        ]
        state = weights, others, optimizer_state, averages
        return state, {"loss": value, **_norms(gradients)}

    compiled, deal = jax.jit(step), lambda batch: batch
    if (distribution := trainer.distribution) is not None:
        everywhere = distribution.get_variable_layout(optimizer.iterations).backend_layout
        compiled = jax.jit(step, out_shardings=everywhere)  # so that it stays so

        def deal(batch):
            return jax.tree.map(lambda array: distribute.share(distribution, array), batch)

    state = None

    def run(images, labels, warp):
        nonlocal state
        if state is None:  # first step, or a checkpoint was read
            state = tuple([variable.value for variable in group] for group in groups)
        images, labels, warp = deal((images, labels, warp))
        state, metrics = compiled(state, images, labels, warp)
        return jax.device_get(metrics)

    def sync():
        nonlocal state
        if state is not None:
            for group, values in zip(groups, state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)
            state = None

    return run, sync
