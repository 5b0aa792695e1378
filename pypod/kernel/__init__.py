# SPDX-License-Identifier: Apache-2.0
"""Layer 2: effects on this machine (system calls, procfs, locks, processes)."""
