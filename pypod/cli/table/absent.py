# SPDX-License-Identifier: Apache-2.0
"""What podman and docker have and pypod has not yet: it is named, never dropped silently.

Only wrong command lines load this.
"""

from __future__ import annotations

COMMANDS = frozenset(
    (
        "auto-update build builder buildx checkpoint compose config"
        " context cp events farm healthcheck init kube"
        " machine mount network node pause plugin play pod prune"
        " quadlet restore secret service stack stats swarm top umount"
        " unmount unpause update"
    ).split()
)
"""Top-level commands and groups."""

IN_GROUP = {
    "container": frozenset(
        (
            "checkpoint clone cp init mount pause restore"
            " runlabel stats top umount unmount unpause update"
        ).split()
    ),
    "generate": frozenset(("kube", "spec")),
    "image": frozenset(
        (
            "build scp sign trust"
        ).split()
    ),
    "volume": frozenset("export import mount reload unmount update".split()),
    "system": frozenset("connection events migrate renumber reset service".split()),
}

GLOBAL_OPTIONS = frozenset(
    (
        "cdi-spec-dir cgroup-manager config connection conmon context debug default-mounts-file"
        " events-backend hooks-dir host identity imagestore module namespace network-cmd-path"
        " network-config-dir noout out remote runtime runtime-flag ssh"
        " storage-driver storage-opt syslog tls tls-ca tls-cert tls-key tls-verify tlscacert"
        " tlscert tlskey tlsverify tmpdir trace transient-store url volumepath"
    ).split()
)

_CREATE = (
    "cgroup-conf cgroup-parent"
    " chrootdirs decryption-key device-cgroup-rule"
    " domainname env-merge"
    " gpus group-entry health-cmd health-interval health-log-destination"
    " health-max-log-count health-max-log-size health-on-failure health-retries"
    " health-start-interval health-start-period health-startup-cmd health-startup-interval"
    " health-startup-retries health-startup-success health-startup-timeout health-timeout"
    " hostuser http-proxy init-ctr init-path ip ip6 isolation"
    " link link-local-ip log-driver log-opt mac-address"
    " no-healthcheck passwd passwd-entry"
    " pod pod-id-file preserve-fd rdt-class"
    " requires restart rmi runtime"
    " seccomp-policy secret shm-size-systemd storage-opt"
    " use-api-socket"
    " volume-driver"
)

OPTIONS = {
    "completion": "no-desc",
    "container exists": "external",
    "create": _CREATE,
    "exec": "cidfile no-session preserve-fd",
    "generate systemd": "pod-prefix",
    "image prune": "build-cache external",
    "images": "no-history tree",
    "import": "signature-policy",
    "info": "debug",
    "login": "compat-auth-file secret",
    "logout": "compat-auth-file",
    "logs": "color details names no-color",
    "ps": "external namespace ns pod sort sync watch",
    "pull": "decryption-key",
    "image copy": "dest-compress dest-compress-format dest-compress-level dest-decompress"
    " decryption-key encryption-key encrypt-layer sign-by-sigstore sign-by-sq-fingerprint"
    " src-no-creds dest-no-creds src-registry-token dest-registry-token"
    " src-shared-blob-dir dest-shared-blob-dir retry-times image-parallel-copies"
    " dest-oci-accept-uncompressed-layers dest-precompute-digests",
    "load": "platform",
    "save": "platform signature-policy",
    "push": "add-compression disable-content-trust encrypt-layer encryption-key platform"
    " rm sign-by-sigstore signature-policy sign-by-sq-fingerprint all-tags",
    "rm": "depend link",
    "rmi": "no-prune platform",
    "run": _CREATE,
    "start": "checkpoint checkpoint-dir",
    "system check": "force max",
    "unshare": "rootless-netns",
    "wait": "condition exit-first-match interval return-on-first",
}
"""Long options of commands."""

SHORT = {
    "": {"c": "connection", "D": "debug", "H": "host", "r": "remote"},
    "create": {"m": "memory", "c": "cpu-shares"},
    "logs": {"n": "names"},
    "ps": {"p": "pod", "w": "watch"},
    "push": {"a": "all-tags"},
    "run": {"m": "memory", "c": "cpu-shares"},
    "wait": {"i": "interval"},
}
"""Their short forms; the global ones under an empty name."""

LIMITS = {
    "memory": "limit memory",
    "memory-reservation": "limit memory",
    "memory-swap": "limit memory",
    "memory-swappiness": "limit memory",
    "kernel-memory": "limit memory",
    "oom-kill-disable": "limit memory",
    "cpus": "limit CPU",
    "cpu-count": "limit CPU",
    "cpu-percent": "limit CPU",
    "cpu-shares": "limit CPU",
    "cpu-period": "limit CPU",
    "cpu-quota": "limit CPU",
    "cpu-rt-period": "limit CPU",
    "cpu-rt-runtime": "limit CPU",
    "cpuset-cpus": "limit CPU",
    "cpuset-mems": "limit CPU",
    "pids-limit": "limit processes",
    "blkio-weight": "limit I/O",
    "blkio-weight-device": "limit I/O",
    "device-read-bps": "limit I/O",
    "device-write-bps": "limit I/O",
    "device-read-iops": "limit I/O",
    "device-write-iops": "limit I/O",
    "io-maxbandwidth": "limit I/O",
    "io-maxiops": "limit I/O",
}
"""Options of run and create that would limit something."""


def what_is_said(command: str, option: str) -> str:
    """Return the error for a long option (no dashes) of a command of the table, "" if unknown."""
    if command in ("run", "create") and option in LIMITS:
        return f"--{option}: cannot {LIMITS[option]} yet"
    if option in OPTIONS.get(command, "").split() or option in GLOBAL_OPTIONS:
        return f"--{option} is not there yet"
    return ""
