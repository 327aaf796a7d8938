"""Print a seed's problems, or write questions for Moodle with individual numbers:

python -m model.exercises --seed 17
python -m model.exercises --seed 17 --moodle quiz.xml
"""

import argparse
import signal
import sys
from pathlib import Path

import numpy as np

from model.exercises.problems import EXERCISES, problem
from model.exercises.quiz import to_moodle


def describe(seed: int) -> str:
    """The problems' numbers as Python, to be pasted; `digit` has too many."""
    lines = []
    for exercise in EXERCISES:
        own = problem(exercise, seed)
        lines.append(f"# {exercise}: give steps {', '.join(map(str, own.steps))}")
        if exercise == "digit":
            lines.append(
                f"{', '.join(own.arguments)} = problem('digit', {seed}).arguments.values()"
            )
        else:
            lines += [f"{name} = {_written(value)}" for name, value in own.arguments.items()]
    return "\n".join(lines)


def _written(value: np.ndarray | float) -> str:
    return f"np.array({value.tolist()})" if isinstance(value, np.ndarray) else repr(value)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m model.exercises", description=__doc__.split(":")[0])
    parser.add_argument("--seed", type=int, required=True, help="whole number from 0 on")
    parser.add_argument("--moodle", type=Path, metavar="FILE", help="write Moodle XML")
    parser.add_argument(
        "--variants", type=int, default=1, metavar="N", help="of each question, seeds SEED.. (1)"
    )
    options = parser.parse_args(argv)
    try:
        if options.variants < 1:
            raise ValueError(f"--variants must be at least 1, not {options.variants}")
        if options.moodle is None:
            print(describe(options.seed))
        else:
            seeds = range(options.seed, options.seed + options.variants)
            options.moodle.write_bytes(to_moodle(seeds))
    except (ValueError, OSError) as error:
        print(f"python -m model.exercises: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
    sys.exit(main(sys.argv[1:]))
