"""How much of a trait a linear function of the embeddings can tell, on prompts it has not seen."""

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from torch import Tensor

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of rows of length one on average
FOLDS = 5


def decodability(x: Tensor, y: Tensor, groups: Tensor) -> Tensor:
    """R² of each column of y, predicted from x by ridge regression on held-out groups.

    Five folds share no group; each column's ridge is chosen by five inner folds of the same kind.
    The features are measured in the rows' root-mean-square length, so that the ridges mean the same
    for every encoder.

    Args:
        x: (M, d) float64 features.
        y: (M, T) float64 targets.
        groups: (M,) integers, the prompt of each row.

    Returns:
        (T,) share of each column's variance that is predicted; negative if worse than its mean,
        NaN for a column that does not vary.

    Raises:
        ValueError: there are fewer than ten groups.
    """
    return _share(y.numpy(), predicted(x, y, groups))


def decodability_of_folds(x: Tensor, y: Tensor, groups: Tensor) -> Tensor:
    """`decodability` on each of the five held-out folds alone, (FOLDS, T): how sure are we?"""
    guess, target = predicted(x, y, groups), y.numpy()
    folds = GroupKFold(FOLDS).split(target, groups=groups.numpy())
    return torch.stack([_share(target[test], guess[test]) for _, test in folds])


def centred(x: Tensor, groups: Tensor) -> Tensor:
    """Each row minus the mean of its group: (M, k), the differences between responses."""
    sums = torch.zeros(int(groups.max()) + 1, x.shape[1], dtype=x.dtype).index_add(0, groups, x)
    return x - (sums / groups.bincount()[:, None])[groups]


def predicted(x: Tensor, y: Tensor, groups: Tensor) -> np.ndarray:
    """Each row's targets, predicted without its fold, (M, T); arguments as in `decodability`."""
    if len(groups.unique()) < 2 * FOLDS:
        raise ValueError(f"{len(groups.unique())} groups are too few for {FOLDS} folds in folds")
    features = (x / x.square().sum(1).mean().sqrt()).numpy()
    target, group = y.numpy(), groups.numpy()
    guess = np.empty_like(target)
    for train, test in GroupKFold(FOLDS).split(features, groups=group):
        ridges = _best_ridges(features[train], target[train], group[train])
        model = Ridge(alpha=ridges).fit(features[train], target[train])
        guess[test] = model.predict(features[test]).reshape(-1, target.shape[1])
    return guess


def _share(target: np.ndarray, guess: np.ndarray) -> Tensor:
    """R² of each column, (T,)."""
    shares = r2_score(target, guess, multioutput="raw_values", force_finite=False)
    return torch.from_numpy(shares)


def _best_ridges(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The ridge with the smallest held-out squared error for each column, (T,)."""
    errors = []
    for ridge in RIDGES:
        model = Ridge(alpha=ridge)
        predicted = cross_val_predict(model, x, y, groups=groups, cv=GroupKFold(FOLDS))
        # Of a single column scikit-learn gives a vector, from which y would be taken in all pairs.
        errors.append(np.square(y - predicted.reshape(y.shape)).sum(0))
    return np.array(RIDGES)[np.argmin(errors, axis=0)]
