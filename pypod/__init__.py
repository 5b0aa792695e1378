# SPDX-License-Identifier: Apache-2.0
"""pypod: rootless, daemonless containers. This file holds the version and imports nothing."""

__version__ = "0.1.0"
