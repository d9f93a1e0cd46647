"""The `connector:` block: what it accepts, what it refuses, and that no credential can be written in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ingestion.connectors.declared import Http, Mqtt, Sftp, Sql
from tests.integration.servers import connector

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/how-to/connect-a-platform.md").read_text("utf-8")
HTTP = {"kind": "http", "url": "https://x.example/a"}


def test_the_examples_of_the_guide_are_good() -> None:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]
    made = [connector(**block["connector"]) for block in blocks]
    assert [type(m) for m in made] == [Http, Http, Sql, Mqtt, Sftp]
    assert made[0].resources[0].pages.next == "next"
    assert made[0].variables == ("DATANEVERS_EXAMPLE_TOKEN",)
    assert made[4].variables == ("DATANEVERS_EXAMPLE_URL", "DATANEVERS_SFTP_KNOWN_HOSTS")


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"kind": "ftp"}, "kind"),
        ({**HTTP, "every_mins": 5}, "every_mins"),
        ({"kind": "http"}, "one of `url` and `url_env`"),
        ({"kind": "http", "url": "ftp://x.example/a"}, "http:// or https://"),
        ({"kind": "http", "resources": []}, "resources"),
        ({"kind": "http", "resources": [{"url": "https://x.example/a"}, {"url": "https://x.example/b"}]}, "`name`"),
        ({**HTTP, "pages": {}}, "pages needs one of"),
        ({**HTTP, "pages": {"next": "a", "records": "b"}}, "pages needs one of"),
        ({**HTTP, "pages": {"cursor": "a"}}, "`parameter` goes with"),
        ({**HTTP, "pages": {"next": "a", "parameter": "p"}}, "`parameter` goes with"),
        ({**HTTP, "pages": {"next": "a"}, "extension": "csv"}, "extension must be json"),
        ({**HTTP, "auth": "header", "auth_env": "X"}, "`auth_name`"),
        ({**HTTP, "auth": "basic"}, "`auth` needs `auth_env`"),
        ({"kind": "sql", "url_env": "X", "queries": []}, "queries"),
        ({"kind": "sql", "url_env": "X", "queries": [{"table": "t", "sql": "DELETE FROM t"}]}, "one SELECT"),
        ({"kind": "sql", "url_env": "X", "queries": [{"table": "../t", "sql": "SELECT 1"}]}, "table"),
        ({"kind": "sql", "url_env": "X", "zone": "Paris", "queries": [{"table": "t", "sql": "SELECT 1"}]}, "time zone"),
        ({"kind": "sql", "url_env": "X", "queries": [{"table": "t", "sql": "SELECT 1"}] * 2}, "of its own"),
        ({"kind": "mqtt", "url_env": "X", "topics": []}, "topics"),
        ({"kind": "mqtt", "url_env": "X", "topics": ["a"], "version": "4"}, "version"),
        ({"kind": "sftp", "url_env": "X", "files": "("}, "regular expression"),
    ],
)
def test_a_mistake_names_its_field(declared: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as error:
        connector(**declared)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "declared",
    [
        {"kind": "http", "url": "https://user:hunter2@x.example/a"},
        {"kind": "http", "url": "https://hunter2@x.example/a"},
        {"kind": "http", "url": "https://x.example/a?api_key=hunter2"},
        {**HTTP, "params": {"access_token": "hunter2"}},
        {**HTTP, "headers": {"Authorization": "Bearer hunter2"}},
        {**HTTP, "headers": {"X-Api-Key": "hunter2"}},
        {**HTTP, "auth_env": "hunter2"},
        {"kind": "sql", "url_env": "postgresql://u:hunter2@x/y", "queries": [{"table": "t", "sql": "SELECT 1"}]},
        {"kind": "mqtt", "url_env": "mqtt://u:hunter2@x", "topics": ["a"]},
        {"kind": "sftp", "url_env": "sftp://u:hunter2@x"},
    ],
)
def test_a_credential_cannot_be_declared(declared: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        connector(**declared)


def test_reading_contracts_loads_no_client() -> None:
    clients = {"httpx", "sqlalchemy", "psycopg", "pymysql", "paho", "paramiko", "tenacity"}
    code = f"import sys, ingestion.connectors.declared; print(*({clients!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
