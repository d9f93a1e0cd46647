"""What to fetch and how to read it, from the landing folder to bronze.

Belongs here: source contracts, readers, and the load that turns files into traced bronze rows. Does not: Dagster
(never imported here), business rules (dbt_project) or what is published.
"""
