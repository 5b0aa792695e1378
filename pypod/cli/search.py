# SPDX-License-Identifier: Apache-2.0
"""search: what registries have."""

from __future__ import annotations

from pypod.cli import access
from pypod.engine import search as engine
from pypod.engine.remote import Access
from pypod.errors import UsageError
from pypod.kernel import paths
from pypod.output import columns, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pypod.cli.parse import Args
    from pypod.registry.catalog import Hit

_SHORT = 44
"""Characters of a description that are shown without --no-trunc (podman's)."""
_DEFAULT = "table {{.Name}}\t{{.Description}}"
_COMPATIBLE = _DEFAULT + "\t{{.Stars}}\t{{.Official}}\t{{.Automated}}"


def search(args: Args) -> int:
    """Print the repositories that a word finds, or the tags of one."""
    paths.prepare(args.places)
    term = args.term.removeprefix("docker://")
    if not term:
        raise UsageError("search term must be given")
    how = Access(
        tls_verify=access.verified(args.tls_verify),
        credentials=access.credentials("--creds", args.creds),
        authfile=args.authfile,
        cert_dir=args.cert_dir,
    )
    limit = args.limit or None
    if args.list_tags:
        if args.filter:
            raise UsageError("filters are not applicable to list tags result")
        return _tags(args, *engine.tags(args.places, term, how, limit))
    wanted = engine.parse_filter(args.filter)
    found = engine.search(args.places, term, how, limit or engine.LIMIT, wanted)
    rows = [_row(domain, hit, whole=args.no_trunc) for domain, hit in found]
    text = args.format or (_COMPATIBLE if args.compatible else _DEFAULT)
    documents = [_document(domain, hit) for domain, hit in found]
    listing.show(rows, text, documents)
    return 0


def _row(domain: str, hit: Hit, *, whole: bool) -> dict[str, Any]:
    text = columns.harmless(" ".join(hit.description.split()))
    if not whole and len(text) > _SHORT:
        text = text[:_SHORT] + "..."
    return {**_document(domain, hit), "Name": columns.harmless(hit.name), "Description": text}


def _document(domain: str, hit: Hit) -> dict[str, Any]:
    return {
        "Index": domain,
        "Name": hit.name,
        "Description": hit.description,
        "Stars": hit.stars,
        "Official": "[OK]" if hit.official else "",
        "Automated": "[OK]" if hit.automated else "",
        "Tag": "",
    }


def _tags(args: Args, name: str, tags: list[str]) -> int:
    rows = [{"Name": name, "Tag": columns.harmless(tag)} for tag in tags]
    listing.show(
        rows, args.format or "table {{.Name}}\t{{.Tag}}", [{"Name": name, "Tags": tags}]
    )
    return 0
