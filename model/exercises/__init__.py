"""Check one's own forward function: it runs in one's own process, and no code leaves it.

>>> from model.exercises import check, problem
>>> print(check(my_function, "elman-cell", seed=17))

The function is called with NumPy arrays of float64 and gives one output a step:

=================== =================================== ===========================================
exercise            function                            gives, for each step t
=================== =================================== ===========================================
elman-cell          f(x, h0, W, U, b)                   h_t = tanh(W h_{t−1} + U x_t + b)
bidirectional-cell  f(x, A1, B1, c1, A2, B2, c2)        y_t = h_t + k_t, with h_0 = k_{T+1} = 0
saturation          f(x, h0, a, b, c)                   h_t = tanh(a x_t + b h_{t−1} + c), scalars
digit               f(image, W, U, b, V, c)             h_t of `elman`, reading row t of the image
=================== =================================== ===========================================

x is (steps, inputs), of scalars (steps,); h0, b and c are (units,), W and B (units, units),
U and A (units, inputs), as on the sheet, where a state is a column. An image is (28, 28), 0..255,
to be divided by 255 first; its h_0 is 0, and V (10, units), c (10,) are for y_t = V h_t + c.
"""

from model.exercises.check import Result, check
from model.exercises.problems import EXERCISES, Problem, problem

__all__ = ["EXERCISES", "Problem", "Result", "check", "problem"]
