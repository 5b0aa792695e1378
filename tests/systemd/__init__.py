# SPDX-License-Identifier: Apache-2.0
"""Tests in a machine that systemd booted: outside.py starts it, the others run in it."""
