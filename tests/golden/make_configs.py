#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The cases of the golden configurations; run it to write them again, and read the difference.

`default` is whole; the others are without `linux.seccomp`, which would be the same 600 lines.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pypod.oci.image import ImageRecord
from pypod.spec import idmaps, idranges
from pypod.spec.build import Identity, container_config
from pypod.spec.facts import HostFacts
from pypod.spec.options import CreateOptions
from pypod.spec.sandbox import Found

HERE = Path(__file__).resolve().parent / "config"

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment\n"
    "www:x:33:33::/var/www:/bin/false\n"
    "bob:x:1000:1000:Bob:/home/bob:/bin/sh\n"
    "broken:x:1001:many::/:/bin/sh\n"
    "wrong:x:4294967295:0::/:/bin/sh\n"
)
GROUP = "root:x:0:\nwww:x:33:\nbob:x:1000:\nstaff:x:50:www,bob\ndocs:x:60:bob\n"

_ANN: dict[str, Any] = {
    "uid": 1000, "gid": 1000, "user": "ann", "home": "/home/ann", "map": "full",
    "uid_map": ((0, 1000, 1), (1, 100000, 65536)), "gid_map": ((0, 1000, 1), (1, 200000, 65536)),
    "cap_bounding": (1 << 41) - 1, "nofile_hard": 524288, "kernel": (6, 1), "machine": "x86_64",
    "nodename": "desk", "cgroup": "v2",
    "thermal_throttle": ("/sys/devices/system/cpu/cpu0/thermal_throttle",),
}  # fmt: skip
_ONE = ((0, 1000, 1),)
_ALL = ((0, 0, 4294967295),)
USER = HostFacts(**_ANN, newuidmap="/usr/bin/newuidmap", newgidmap="/usr/bin/newgidmap")
NO_CGROUP = HostFacts(**{**_ANN, "cgroup": "none"})
SINGLE = HostFacts(**{**_ANN, "map": "single", "uid_map": _ONE, "gid_map": _ONE})
ROOT = HostFacts(
    **{**_ANN, "uid": 0, "gid": 0, "user": "root", "map": "root", "uid_map": _ALL, "gid_map": _ALL}
)


def image(**config: Any) -> ImageRecord:
    """Return an image of two layers with this configuration."""
    return ImageRecord(
        id="sha256:" + "1" * 64,
        manifest="sha256:" + "2" * 64,
        config=config,
        created="2026-11-01T00:00:00Z",
        architecture="amd64",
        os="linux",
        variant="",
        size=1000,
        chain_ids=("a" * 64, "b" * 64),
        diff_ids=("sha256:" + "a" * 64, "sha256:" + "c" * 64),
        layers=(),
        history=(),
    )


IMAGE = image(cmd=["sh"], env=["PATH=/bin", "LANG=C"])


def identity(**changes: Any) -> Identity:
    """Return who the container of the cases is."""
    return Identity(
        **{
            "id": "0123456789abcdef" * 4,
            "name": "box",
            "directory": "/s/c",
            "layers": ("/s/l/b:1", "/s/l/a"),
            "passwd": PASSWD,
            "group": GROUP,
            "image_name": "localhost/box:latest",
            "environment": {"LC_A": "1", "LC_B": "2", "SECRET": "s", "HTTP_PROXY": "http://p"},
            "cwd": "/home/ann/work",
            **changes,
        }
    )


def config(facts: HostFacts = USER, record: ImageRecord = IMAGE, **options: Any) -> dict[str, Any]:
    """Return the config.json of these options."""
    return container_config(CreateOptions(**options), record, facts, identity())


def under(userns: str) -> dict[str, Any]:
    """Return the config.json of a container under another id map, made as engine/create does."""
    if userns.startswith("auto"):
        size = idranges.size_for(PASSWD, GROUP, "")
        ranges = idranges.available(USER, (), ())
        taken = [(100000, 1024)], [(200000, 1024)]
        chosen: Any = idranges.choose(userns, USER, size, ranges, taken)
    else:
        chosen = idmaps.choose(userns, USER)
    facts = USER.replace(uid_map=chosen.uid_map, gid_map=chosen.gid_map)
    data = "/s/l/full"
    layers = (f"/s/l/{chosen.layers}/b/tree", "", data)
    options = CreateOptions(userns=userns, user=chosen.user)
    return container_config(options, IMAGE, facts, identity(layers=layers))


def cases() -> dict[str, dict[str, Any]]:
    """Return the golden configurations by name."""
    privileged = container_config(
        CreateOptions(privileged=True), IMAGE, ROOT, identity(devices=("/dev/fuse", "/dev/net/tun"))
    )
    made = {
        "default": config(),
        "root": config(ROOT),
        "single-user": config(SINGLE, user="bob"),
        "host-network": config(NO_CGROUP, network="host"),
        "read-only": config(read_only=True, tmpfs=("/run:size=1m,exec", "/scratch")),
        "mounts": config(
            NO_CGROUP,
            volume=("./a:/data/deep:ro,z", "/srv:/data", "/x:/etc/hosts:nodev,rslave", "/d:/dev"),
        ),
        "terminal-init": config(
            tty=True,
            init=True,
            user="bob:staff",
            workdir="/srv",
            hostname="host-1",
            cap_add=("net_admin",),
            cap_drop=("CHOWN",),
            security_opt=("no-new-privileges", "label=disable"),
        ),
        "unconfined": config(security_opt=("seccomp=unconfined",), command=("id", "-u")),
        "privileged-root": privileged,
        "sandbox": container_config(
            CreateOptions(
                annotation=("a.b=c",),
                env_host=True,
                group_add=("staff", "7"),
                security_opt=(
                    "mask=/etc/secret:/srv",
                    "unmask=/proc/sys:/proc/a*",
                    "proc-opts=hidepid=2",
                    "label=type:spc_t",
                ),
                sysctl=("net.core.somaxconn=9",),
                tz="UTC",
                ulimit=("nofile=5:6", "core=0"),
                umask="077",
                unsetenv=("LANG",),
            ),
            IMAGE,
            USER,
            identity(found=Found(devices=(("/dev/fuse", "/dev/fuse"),), selinux=True)),
        ),
        "host-spaces": config(
            pid="host",
            ipc="host",
            uts="host",
            cgroupns="host",
            oom_score_adj=5,
            personality="linux32",
            read_only=True,
            read_only_tmpfs=False,
            systemd="always",
        ),
        "root-directory": config(rootfs="/home/ann/tree", group_add=("keep-groups",)),
        "keep-id": under("keep-id"),
        "nomap": under("nomap"),
        "auto": under("auto:uidmapping=33:0:1"),
    }
    for name, one in made.items():
        if name != "default" and "seccomp" in one["linux"]:
            one["linux"]["seccomp"] = "as in default.json, but for the capabilities"
    return made


def text(value: dict[str, Any]) -> str:
    """Return the configuration for people."""
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, value in cases().items():
        (HERE / f"{name}.json").write_text(text(value))
