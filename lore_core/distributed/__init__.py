"""One fit on several processes: users are shared out, the basis is everywhere."""
