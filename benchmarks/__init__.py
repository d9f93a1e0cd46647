"""What `make bench` runs: each measure next to the bare limit of the same work, in the same run.

Belongs here: making the input, running ours and the limit in processes of their own, and the table. Does not: tests.
"""
