# SPDX-License-Identifier: Apache-2.0
"""Layer 1, pure: words, templates, units, filters."""
