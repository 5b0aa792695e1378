# SPDX-License-Identifier: Apache-2.0
"""Layer 1, pure: the values of the OCI specifications."""
