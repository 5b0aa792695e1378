# SPDX-License-Identifier: Apache-2.0
"""Under which heading help and manual pages show a command or an option, and their examples.

Only help, manual pages and tests load this. A dest stands in one panel, whatever commands have it;
one that is in none is shown under OTHER, and a test of run's options complains. A name that the
table does not have yet does no harm.
"""

from __future__ import annotations

OTHER = "Other options"
PLAIN = "Options"
"""The one panel of commands that have few options."""

FEW = 13
"""A command with no more options than this has one panel."""

PANELS: dict[str, str] = {
    PLAIN: "detach env help interactive name publish rm tty user volume workdir",
    "Process": (
        "attach detach_keys sig_proxy entrypoint group_add umask init init_path"
        " stop_signal stop_timeout time timeout preserve_fds preserve_fd systemd sdnotify"
        " passwd passwd_entry"
    ),
    "Container": (
        "replace label label_file annotation cidfile pidfile conmon_pidfile hostname uts"
        " restart pod pod_id_file rmi requires ignore no_session"
    ),
    "Environment": (
        "env_file env_host env_merge unsetenv unsetenv_all http_proxy tz secret no_hostname"
    ),
    "Files and volumes": (
        "mount tmpfs volumes_from read_only read_only_tmpfs rootfs shm_size"
        " shm_size_systemd image_volume chrootdirs volume_driver storage_opt"
    ),
    "Network": (
        "network network_alias publish_all expose dns dns_option dns_search add_host"
        " no_hosts hosts_file ip ip6 mac_address domainname"
    ),
    "Rights": (
        "privileged cap_add cap_drop security_opt seccomp_policy device device_cgroup_rule"
        " group_entry userns uidmap gidmap subuidname subgidname ipc pid hostuser gpus"
    ),
    "Limits": (
        "ulimit sysctl memory memory_reservation memory_swap memory_swappiness cpus cpu_shares"
        " cpu_period cpu_quota cpuset_cpus cpuset_mems pids_limit blkio_weight device_read_bps"
        " device_write_bps device_read_iops device_write_iops oom_score_adj oom_kill_disable"
        " cgroups cgroup_parent cgroupns cgroup_conf personality"
    ),
    "Health": (
        "health_cmd health_interval health_timeout health_retries health_start_period"
        " health_on_failure health_startup_cmd health_startup_interval health_startup_retries"
        " health_startup_success health_startup_timeout health_log_destination"
        " health_max_log_count health_max_log_size no_healthcheck"
    ),
    "Log": "log_driver log_opt",
    "Signatures": (
        "remove_signatures sign_by sign_by_sigstore_private_key sign_identity"
        " sign_passphrase_file signature_policy"
    ),
    "Image": (
        "pull platform arch os variant authfile creds cert_dir tls_verify retry retry_delay quiet"
        " policy all_tags decryption_key disable_content_trust"
    ),
}
"""Headings of the commands that have many options, in their order, and the dests under each.

The first is what most people need most days.
"""

COMMANDS: dict[str, str] = {
    "Containers": (
        "run create start stop restart kill rm ps exec attach logs wait rename port top stats"
        " cp diff commit export pause unpause update mount unmount init"
    ),
    "Images": "pull images rmi tag untag push save load build import history search login logout",
    "This host": "info version inspect unshare events completion",
    "Groups: pypod GROUP COMMAND": (
        "container image volume network pod secret system generate play kube quadlet manifest"
        " artifact"
    ),
}
"""Headings of `pypod --help`, in their order."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("run --rm -it alpine sh", "A shell in a fresh container that leaves nothing behind"),
        ("ps -a", "What runs, and what has run"),
        ("run --help", "Everything that run can do"),
    ),
    "run": (
        ("run --rm -it -v .:/src -w /src python sh", "A shell that sees this directory"),
        ("run -d --name web nginx", "A service in the background; then: logs, exec, stop"),
        ("run --rm -e LANG=C debian env", "One command, and its exit code is pypod's"),
        ("run --rm --network none --read-only --cap-drop all alpine id", "As little as can be"),
    ),
    "create": (("create --name job alpine echo done", "Make it now, start it later"),),
    "start": (("start -a job", "Start, show the output, end with its exit code"),),
    "exec": (
        ("exec -it web sh", "A shell in a running container"),
        ("exec -u 0 -w /etc web ls -l", "One command as another user in another directory"),
    ),
    "ps": (
        ("ps -a --filter status=exited", "What has ended"),
        ("ps --format '{{.Names}} {{.Status}}'", "Two columns of your choice"),
        ("ps -aq --filter label=stage=test", "Ids, for a script"),
    ),
    "logs": (
        ("logs -f --tail 20 web", "The last lines, and what comes"),
        ("logs --since 10m -t web", "Ten minutes, with times"),
    ),
    "generate systemd": (
        ("generate systemd --new --files --name web", "A unit that makes web anew at each start"),
    ),
    "restart": (("restart -t 2 web", "Two seconds of patience, then KILL, and again"),),
    "port": (("port web 80", "Where the host takes the traffic of port 80"),),
    "push": (("push myimage registry.example.org/team/myimage:1", "Under another name"),),
    "volume create": (("volume create data", "For: run -v data:/var/lib/data"),),
    "volume ls": (("volume ls --filter dangling=true", "Those that no container uses"),),
    "volume prune": (("volume prune --force", "Without a question, for a script"),),
    "stop": (("stop -t 2 web", "Two seconds of patience, then KILL"),),
    "rm": (("rm -f web", "Stop it and remove it"),),
    "pull": (
        ("pull docker.io/library/alpine:3.20", "An image by its full name"),
        ("pull --platform linux/arm64 alpine", "For another machine"),
    ),
    "images": (("images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", "Columns of your choice"),),
    "inspect": (("inspect -f '{{.State.Pid}}' web", "One value"),),
    "unshare": (("unshare chown 0:0 file", "Give a file of a container back to yourself"),),
}
"""Command lines without `pypod`, and what they do. A test reads each with the parser."""


def panel_of(dest: str, options: int) -> str:
    """Return the heading of an option of a command that has this many options."""
    if options <= FEW:
        return PLAIN
    for name, dests in PANELS.items():
        if dest in dests.split():
            return name
    return OTHER


def command_panel(name: str) -> str:
    """Return the heading of a command or group in `pypod --help`."""
    for panel, names in COMMANDS.items():
        if name in names.split():
            return panel
    return "Commands"
