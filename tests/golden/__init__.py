# SPDX-License-Identifier: Apache-2.0
"""What must stay as it is, and the scripts that write it."""
