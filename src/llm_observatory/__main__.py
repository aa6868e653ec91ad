"""`python -m llm_observatory` is `llm-observatory`."""

from __future__ import annotations

from llm_observatory.app.cli import main

if __name__ == "__main__":
    main()
