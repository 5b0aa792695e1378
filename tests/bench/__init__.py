# SPDX-License-Identifier: Apache-2.0
"""What pypod costs beside podman: `make bench`."""
