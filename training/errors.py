"""The one exception that the command turns into one clear line."""


class TrainingError(Exception):
    """The run cannot go on; the message says what to do."""


class Diverged(TrainingError):
    """The loss is not a number any more."""
