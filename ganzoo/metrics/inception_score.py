"""The inception score (Salimans et al. 2016, section 4)."""

from typing import NamedTuple

import numpy as np

from ganzoo.errors import DataError
from ganzoo.metrics.inputs import check_features


class InceptionScore(NamedTuple):
    """Mean and standard deviation of the score over the splits."""

    mean: float
    std: float


def inception_score(logits, splits: int = 10, seed: int | None = None) -> InceptionScore:
    """Computes exp of the mean KL divergence of p(y|x) from p(y), split by split.

    Salimans et al. 2016, section 4, with 10 splits. The published figures are on the 1,008
    outputs of the Inception network of 2015-12-05 without the bias of its last layer (the
    extractor's `logits`). On them torch-fidelity gives CIFAR-10's train set 11.2368 ± 0.0951, and
    shuffles it first, with the seed 2020.

    Args:
        logits: Unnormalised log-probabilities `(n, classes)`.
        splits: Into how many consecutive parts to cut the rows; at most n.
        seed: Shuffles the rows first; with 2020 in torch-fidelity's order. None keeps theirs.

    Returns:
        Mean and standard deviation over the splits, from 1 to the number of classes.

    Raises:
        DataError: Bad logits, or more splits than rows.
    """
    logits = check_features(logits, "logits")
    count = len(logits)
    if not 1 <= splits <= count:
        raise DataError(f"Cannot cut {count} rows into {splits} splits. Give 1 to {count}.")
    order = np.arange(count)
    if seed is not None:
        order = np.random.RandomState(seed).permutation(count)
    scores = [
        _score(logits[order[index * count // splits : (index + 1) * count // splits]])
        for index in range(splits)
    ]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(logits: np.ndarray) -> float:
    """Scores one split of logits `(n, classes)`."""
    log_likely = _log_softmax(logits.astype(np.float64))
    likely = np.exp(log_likely)
    marginal = likely.mean(axis=0)
    # A class whose probability underflows everywhere adds 0, not 0 · log 0.
    seen = marginal > 0
    entropy_of_marginal = -(marginal[seen] * np.log(marginal[seen])).sum()
    mean_entropy = -(likely * log_likely).sum(axis=1).mean()
    return float(np.exp(entropy_of_marginal - mean_entropy))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
