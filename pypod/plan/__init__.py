# SPDX-License-Identifier: Apache-2.0
"""Layer 1, pure: config.json to the flat plan that pypod-init executes."""
