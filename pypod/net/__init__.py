# SPDX-License-Identifier: Apache-2.0
"""Layer 3: the programs that connect a container with the host's network, and the host's ports."""
