"""How kernels start that run lessons headless; `setup.sh` puts it into their IPython profile."""

import atexit
import gc

# They say at each start that they run without encryption. They run on this machine only.
c.IPKernelApp.log_level = 40  # noqa: F821

# A lesson imports 3,000 modules, which stay. Python looks through all their objects for garbage
# again and again, and several times at the end: a fifth of what a lesson's start and end cost.
gc.set_threshold(10_000, 10, 10)
atexit.register(gc.freeze)
