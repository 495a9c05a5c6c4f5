"""Tools: checks, files, devices, random draws, ragged rows, colours."""
