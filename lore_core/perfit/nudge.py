"""What moves the states of one place: φ_c of everybody, and φ_u of their user.

    after:   x → φ_u(φ_c(x))         beside:   x → x + (φ_c(x) − x) + (φ_u(x) − x)

Shapes: k states, d features.
"""

from __future__ import annotations

from torch import Tensor, nn

from lore_core.perfit.intervention import Intervention, Interventions


class Nudge(nn.Module):
    """φ_c and φ_u of one place; each may be missing.

    Args:
        shared: φ_c.
        personal: φ_u of N users.
        composition: "after" or "beside".
    """

    def __init__(
        self,
        shared: Intervention | None = None,
        personal: Interventions | None = None,
        composition: str = "after",
    ) -> None:
        super().__init__()
        self.shared, self.personal, self.composition = shared, personal, composition

    def forward(self, x: Tensor, user: Tensor | None = None) -> Tensor:
        """Where the states are moved to, (k, d).

        Args:
            x: (k, d).
            user: (k,) whose each is; is not asked for without φ_u.

        Raises:
            ValueError: a user is unknown, or there is not one for each state.
        """
        moved = x if self.shared is None else self.shared(x)
        if self.personal is None:
            return moved
        if user is None or len(user) != len(x):
            n = 0 if user is None else len(user)
            raise ValueError(
                f"{len(x)} states are to be moved for their users, but {n} users were given; set "
                "`reading.user`, one for each text"
            )
        if self.composition == "after":
            return self.personal(moved, user)
        return moved + (self.personal(x, user) - x)
