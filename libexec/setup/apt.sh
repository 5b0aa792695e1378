#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages named that are not there yet; say nothing when all are. apt.sh NAME...
set -eu

missing=
for name in "$@"; do
    case $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null || true) in
    "install ok installed") ;;
    *) missing="$missing $name" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Error: these Debian packages are missing:$missing" >&2
        echo "Hint: as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
install() {
    # shellcheck disable=SC2086 # words on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing </dev/null >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists of a fresh machine may be absent or old: look once more with new ones.
if ! install; then
    $as_root apt-get update -q -o DPkg::Lock::Timeout=300 >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    install || { cat "$log" >&2; exit 1; }
fi
