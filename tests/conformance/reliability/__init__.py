"""What software of this kind has died of, as byte vectors: each with its number, its source and what must happen."""

from __future__ import annotations

import pytest

# The judges stand beside the tests; rewritten, their assertions also hold under `python -O`.
pytest.register_assert_rewrite(f"{__name__}.drive", f"{__name__}.answers")
