"""What leaves the platform: dataset cards, exported files, the DCAT catalogue, plain pages, and their atomic swap.

Belongs here: everything between an audited gold table and a file that a stranger downloads. Does not: deciding whether
the data is good (quality/), how it was made (dbt_project/), or when to publish (orchestration/).
"""
