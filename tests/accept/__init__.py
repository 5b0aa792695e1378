# SPDX-License-Identifier: Apache-2.0
"""The acceptance rows of the research notes (security.md section 4), a test for each."""
