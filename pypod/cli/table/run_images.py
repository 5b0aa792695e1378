# SPDX-License-Identifier: Apache-2.0
"""Options of run, create and pull about where an image comes from, and those of pull alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pypod.cli.table import Option

IMAGE_OPTIONS: tuple[Option, ...] = (
    ("--arch", "arch", "str", "ARCH", "Architecture of the image"),
    ("--authfile", "authfile", "str", "FILE", "Credentials of registries"),
    ("--cert-dir", "cert_dir", "str", "DIR", "Certificates: *.crt, and *.cert with *.key"),
    ("--creds", "creds", "str", "USER[:PASSWORD]", "Credentials of this registry"),
    ("--disable-content-trust", "disable_content_trust", "bool", "", "Changes nothing", True),
    ("--os", "os", "str", "OS", "Operating system of the image"),
    ("--platform", "platform", "str", "OS/ARCH[/VARIANT]", "Platform of the image"),
    ("--quiet -q", "quiet", "bool", "", "Show no progress of a pull"),
    ("--retry", "retry", "optuint", "COUNT", "How often to try again (3)"),
    ("--retry-delay", "retry_delay", "str", "DURATION", "Wait between two tries, such as 2s"),
    ("--signature-policy", "signature_policy", "str", "FILE", "Another policy.json"),
    ("--tls-verify", "tls_verify", "optbool", "", "Verify the registry's certificate"),
    ("--variant", "variant", "str", "VARIANT", "Variant of the architecture"),
)

PULL_OPTIONS: tuple[Option, ...] = (
    ("--all-tags -a", "all_tags", "bool", "", "Every tag of the repository"),
    *IMAGE_OPTIONS,
    ("--policy", "policy", "str", "POLICY", "missing, always, never or newer", "always"),
)
