"""Search for good settings with Optuna: an example to copy and change.

python -m training.search --preset stacked --data mnist.npz --trials 20 --epochs 8

What is tried stands in `suggest`. Each trial trains on the training digits and is judged by
the validation digits; the test set is not read. After each epoch a trial that does worse
than most did is given up (Akiba et al. 2019). Nothing is kept but what is printed: train
with the best settings, and more epochs, by `python -m training`.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import optuna

from model.network import PRESETS
from training import data
from training.config import DEFAULTS, TrainingConfig
from training.errors import Diverged, TrainingError
from training.loop import Loop


def suggest(trial: optuna.Trial, start: TrainingConfig) -> TrainingConfig:
    """What one trial tries: `start`, with the settings that are searched."""
    return replace(
        start,
        learning_rate=trial.suggest_float("learning_rate", 3e-4, 3e-3, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-3, 0.1, log=True),
        step_loss=trial.suggest_float("step_loss", 0.0, 1.0),
        clipnorm=trial.suggest_categorical("clipnorm", [0.5, 1.0, 2.0]),
    )


def search(start: TrainingConfig, data_path: Path | None, trials: int) -> optuna.Study:
    """Run `trials`; the study's value is the validation error in percent after the last epoch.

    Raises:
        TrainingError: bad data.
    """
    digits = data.load_training(data_path, start.validation)

    def objective(trial: optuna.Trial) -> float:
        config = suggest(trial, start)
        try:
            for row, result in Loop(config, PRESETS[config.preset], data_path, digits).epochs():
                trial.report(100 * result.error, row["epoch"])
                if trial.should_prune():
                    raise optuna.TrialPruned
        except Diverged as error:
            raise optuna.TrialPruned from error
        return 100 * result.error

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=start.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )
    study.optimize(objective, n_trials=trials)
    return study


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m training.search", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--preset", choices=DEFAULTS, default="stacked")
    parser.add_argument("--data", type=Path, help="as for python -m training")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=8, help="of each trial (8)")
    parser.add_argument("--validation", type=int, default=10_000, help="digits to judge by")
    arguments = parser.parse_args(argv)
    try:
        start = replace(
            DEFAULTS[arguments.preset], epochs=arguments.epochs, validation=arguments.validation
        )
        path = data.find(arguments.data)
        study = search(start, path, arguments.trials)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not any(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials):
        print("error: no trial came to its end: give more --trials", file=sys.stderr)
        return 2
    best = study.best_trial
    settings = "  ".join(f"{name} {value:.3g}" for name, value in best.params.items())
    print(f"best validation error {best.value:.2f} %, of trial {best.number}: {settings}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
