# SPDX-License-Identifier: Apache-2.0
"""Layer 5: tables, progress bars, prompts."""
