# SPDX-License-Identifier: Apache-2.0
"""Layer 5: words in, words out; the only layer that knows typer and chooses exit codes."""
