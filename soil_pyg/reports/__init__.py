"""A self-contained page on a run or on a folder of runs."""
