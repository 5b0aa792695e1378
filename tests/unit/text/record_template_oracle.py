# SPDX-License-Identifier: Apache-2.0
"""Ask a real podman what each template of template_oracle.json gives, and write the file anew.

    record_template_oracle.py < template_oracle.json > new.json

Run it as an ordinary user whose store has `localhost/bb:1`; it makes a container named `tmpl`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PODMAN = sys.argv[1:] or ["podman", "--runtime", "runc"]
CREATE = "create --name tmpl --network none -l a=b -v /tmp:/t:ro localhost/bb:1 sh -c".split()


def podman(*words: str) -> subprocess.CompletedProcess[str]:
    """Run podman with a closed standard input."""
    return subprocess.run(
        [*PODMAN, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def row(template: str) -> dict[str, Any]:
    """Return {template, then `text` or `error`}."""
    done = podman("inspect", "--format", template, "tmpl")
    if done.returncode == 0:
        return {"template": template, "text": done.stdout}
    error = done.stderr.strip().splitlines()[-1].removeprefix("Error: ")
    return {"template": template, "error": error}


def main() -> None:
    """Write the document and a row for each template."""
    old = json.load(sys.stdin)
    podman("rm", "-f", "tmpl")
    podman(*CREATE[:-3], "-l", "c.d=e f", *CREATE[-3:], "exit 3")
    document = json.loads(podman("inspect", "tmpl").stdout)[0]
    rows = [row(one["template"]) for one in old["rows"]]
    json.dump({"document": document, "rows": rows}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
