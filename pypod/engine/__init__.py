# SPDX-License-Identifier: Apache-2.0
"""Layer 4: use-cases; knows no argv and no terminal."""
