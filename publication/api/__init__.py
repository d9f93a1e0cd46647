"""The read-only data API, in the shape of data.gouv.fr's tabular API, over the published Parquet files.

Belongs here: what a request may ask (query.py), reading rows within limits (engine.py), HTTP (routes.py), its
description (describe.py). Does not: files of the tree as such (publication/serve.py).
"""
