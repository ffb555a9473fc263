"""Writes the screens from their one description: `python3 screens` at the root of the repository.

`python3 screens --check` writes nothing and fails where a file isn't what would be written.
"""

import sys
from pathlib import Path

import adl
import bob
import ui
from pages import PAGES

ROOT = Path(__file__).resolve().parent.parent
FORMS = (("medm", adl), ("screens/pydm", ui), ("screens/phoebus", bob))


def main(check: bool) -> int:
    stale = []
    for folder, form in FORMS:
        (ROOT / folder).mkdir(exist_ok=True)
        for page in PAGES:
            path = ROOT / folder / f"{page.name}.{form.__name__}"
            text = form.write(page)
            if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
                stale.append(str(path.relative_to(ROOT)))
            elif not check:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not what screens/ describes: {', '.join(stale)}; edit screens/pages.py and run `python3 screens`")
    return 1 if stale else 0


sys.exit(main("--check" in sys.argv[1:]))
