"""When things run, and how a person starts and watches them.

Belongs here: the pipeline's steps in order, the Dagster definitions, schedules, and the command line. Does not: how to
read, model, check or publish anything.
"""
