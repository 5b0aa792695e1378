# SPDX-License-Identifier: Apache-2.0
"""The declaration of every command and option, as plain tuples."""
