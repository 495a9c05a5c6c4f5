"""Weights of more new users than memory holds: Parquet in, Parquet out, file by file."""
