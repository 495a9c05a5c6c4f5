"""How much of a trait a linear function of the embeddings can tell, on prompts it has not seen."""

import torch
from torch import Tensor

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FOLDS = 5


def decodability(x: Tensor, y: Tensor, groups: Tensor) -> Tensor:
    """R² of each column of y, predicted from x by ridge regression on held-out groups.

    Five folds share no group; each column's ridge is chosen by five inner folds of the same kind.

    Args:
        x: (M, d) float64 features.
        y: (M, T) float64 targets.
        groups: (M,) integers, the prompt of each row.

    Returns:
        (T,) share of each column's variance that is predicted; negative if worse than its mean.

    Raises:
        ValueError: there are fewer than ten groups.
    """
    if len(groups.unique()) < 2 * FOLDS:
        raise ValueError(f"{len(groups.unique())} groups are too few for {FOLDS} folds in folds")
    predicted = torch.zeros_like(y)
    for train, test in _folds(groups):
        ridge = _best_ridge(x[train], y[train], groups[train])
        predicted[test] = _ridge_path(x[train], y[train], x[test])(ridge)
    return 1 - (y - predicted).square().sum(0) / (y - y.mean(0)).square().sum(0)


def centred(x: Tensor, groups: Tensor) -> Tensor:
    """Each row minus the mean of its group: (M, k), the differences between responses."""
    sums = torch.zeros(int(groups.max()) + 1, x.shape[1], dtype=x.dtype).index_add(0, groups, x)
    return x - (sums / groups.bincount()[:, None])[groups]


def _best_ridge(x, y, groups) -> Tensor:
    """The ridge with the smallest held-out squared error for each column, (T,)."""
    errors = torch.zeros(len(RIDGES), y.shape[1], dtype=y.dtype)
    for train, test in _folds(groups):
        predict = _ridge_path(x[train], y[train], x[test])
        errors += torch.stack([(y[test] - predict(ridge)).square().sum(0) for ridge in RIDGES])
    return torch.tensor(RIDGES, dtype=y.dtype)[errors.argmin(0)]


def _ridge_path(x, y, new):
    """ridge -> predictions for `new`; one decomposition serves every ridge, and one per column."""
    centre = x.mean(0)
    values, vectors = torch.linalg.eigh((x - centre).T @ (x - centre))
    rotated = vectors.T @ ((x - centre).T @ (y - y.mean(0)))
    directions = (new - centre) @ vectors
    return lambda ridge: y.mean(0) + directions @ (rotated / (values[:, None] + ridge))


def _folds(groups):
    """Masks of the train and the test rows of each fold."""
    fold = groups.unique(return_inverse=True)[1] % FOLDS
    return [(fold != k, fold == k) for k in range(FOLDS)]
