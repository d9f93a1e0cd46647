"""Files made from declarations are what the declarations say."""

from __future__ import annotations

import pytest

from orchestration.generate import files


@pytest.mark.parametrize("path", files(), ids=lambda p: p.name)
def test_generated_file_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == files()[path], "run `make generate`"
