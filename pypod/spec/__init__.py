# SPDX-License-Identifier: Apache-2.0
"""Layer 1, pure: options and image configuration to an OCI config.json."""
