# SPDX-License-Identifier: Apache-2.0
"""Layer 3: the C helpers and other OCI runtimes."""
