"""Connectors: one per way of arriving (HTTP, SQL, MQTT, SFTP), each ends in finished files under `landing/<source>/`.

Belongs here: fetching bytes from a platform, and remembering what was fetched. Does not: reading what is in them, past
what it takes to find the next page (readers/), or choosing when to fetch (orchestration).
"""
