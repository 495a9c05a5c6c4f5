"""Whether a method knows the users that it is asked about."""

from __future__ import annotations

from torch import Tensor


def known(user: Tensor | None, n_users: int, n: int) -> Tensor:
    """The users of a batch themselves.

    Args:
        user: (n,) int64.
        n_users: how many there are.
        n: texts in the batch.

    Raises:
        ValueError: no users were set, their number is another one, or one is unknown.
    """
    if user is None:
        raise ValueError("it is not known whose texts these are; set `user` first")
    if user.shape != (n,):
        raise ValueError(
            f"user has shape {tuple(user.shape)}, but the batch has {n} texts; expected ({n},)"
        )
    unknown = user[(user < 0) | (user >= n_users)]
    if len(unknown):
        raise ValueError(
            f"user {int(unknown[0])} is unknown: there are {n_users} (0 to {n_users - 1}). "
            "Bring a new user's items to `adapt`, and predict with what it returns"
        )
    return user
