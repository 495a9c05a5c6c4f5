"""Tools that know nothing of rewards: checks, files, devices, random draws, ragged rows."""
