"""A `SimpleRNN` that trains faster, and has the same weights.

Keras's own multiplies the input with its kernel anew at each step, in a loop of the
backend. Here one product serves all steps, and the steps are unrolled, so that the
compiler sees them all. Networks are trained with this layer and saved with the plain one.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="scanline")
class HoistedRNN(keras.layers.SimpleRNN):
    """`SimpleRNN` with the input projection hoisted out of the recurrence.

    Takes (batch, steps, inputs), gives all states (batch, steps, units), in the order of
    reading. Masks, initial states and dropout are not supported.
    """

    def call(self, sequences, initial_state=None, mask=None, training=False):  # noqa: ARG002 (Keras's)
        cell = self.cell
        drive = ops.matmul(sequences, cell.kernel) + cell.bias  # (batch, steps, units)
        drives = ops.unstack(drive, axis=1)
        state = self.activation(drives[-1 if self.go_backwards else 0])
        states = [state]
        for total in drives[-2::-1] if self.go_backwards else drives[1:]:
            state = self.activation(total + ops.matmul(state, cell.recurrent_kernel))
            states.append(state)
        return ops.stack(states, axis=1)
