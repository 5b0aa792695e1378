# SPDX-License-Identifier: Apache-2.0
"""What run, create and exec ask for, as values: the options of the table after parsing."""

from __future__ import annotations

from pypod.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CreateOptions(Value):
    """The options of `run` and `create`; a field is named after the long option."""

    command: tuple[str, ...] = ()
    """The words after IMAGE."""
    name: str = ""
    replace: bool = False  # type: ignore[assignment]  # the option hides Value.replace
    detach: bool = False
    interactive: bool = False
    tty: bool = False
    rm: bool = False
    env: tuple[str, ...] = ()
    env_file: tuple[str, ...] = ()
    """The text of each file, not its path: reading is not the composer's business."""
    workdir: str = ""
    user: str = ""
    volume: tuple[str, ...] = ()
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    """None: the image's; empty: cleared."""
    hostname: str = ""
    # The network.
    network: str = ""
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    init: bool = False
    stop_signal: str = ""
    stop_timeout: int = 10
    cidfile: str = ""
    pidfile: str = ""
    # terminals, descriptors, time
    timeout: int = 0
    """Seconds; 0 is for ever."""
    # names (spec/names.py)
    add_host: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_option: tuple[str, ...] = ()
    hosts_file: str = ""
    """A path, `none`, or empty: the host's own with its network."""
    network_alias: tuple[str, ...] = ()
    no_hosts: bool = False
    no_hostname: bool = False
    # Units.
    cgroups: str = "enabled"
    conmon_pidfile: str = ""
    sdnotify: str = "container"

    # Room S: the sandbox (cli/table/run_sandbox.py).
    annotation: tuple[str, ...] = ()
    cgroupns: str = ""
    device: tuple[str, ...] = ()
    env_host: bool = False
    group_add: tuple[str, ...] = ()
    ipc: str = ""
    label_file: tuple[str, ...] = ()
    """The text of each file."""
    oom_score_adj: int = 0
    personality: str = ""
    pid: str = ""
    read_only_tmpfs: bool = True
    rootfs: str = ""
    """PATH or PATH:O, absolute, when the positional is no image."""
    seccomp_profile: bytes = b""
    """What the file of `--security-opt seccomp=FILE` holds."""
    sysctl: tuple[str, ...] = ()
    systemd: str = "true"
    tz: str = ""
    ulimit: tuple[str, ...] = ()
    umask: str = ""
    unsetenv: tuple[str, ...] = ()
    unsetenv_all: bool = False
    uts: str = ""
    # id maps (spec/idmaps.py)
    userns: str = ""
    uidmap: tuple[str, ...] = ()
    gidmap: tuple[str, ...] = ()
    subuidname: str = ""
    subgidname: str = ""
    # volumes
    mount: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    image_volume: str = ""
    shm_size: str = ""

    def record(self) -> dict[str, Any]:
        """Return what create.json keeps: no text of env files, which is in the environment."""
        kept = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in self.as_dict().items()
        }
        for field in ("env_file", "label_file", "seccomp_profile"):  # texts, of use no more
            del kept[field]
        return kept


class ExecOptions(Value):
    """The options of `exec`."""

    command: tuple[str, ...]
    environment: dict[str, str]
    """The caller's own environment, for `-e NAME`."""
    detach: bool = False
    env: tuple[str, ...] = ()
    env_file: tuple[str, ...] = ()
    interactive: bool = False
    privileged: bool = False
    tty: bool = False
    user: str = ""
    workdir: str = ""
