# SPDX-License-Identifier: Apache-2.0
"""Layer 3: places of images that are files: layouts, archives, directories, docker's socket.

One module per place. A place to read from answers `manifest` and `blob`, one to write to `has`,
`put` and `put_manifest`; the protocols stand in engine/place.py. Names in archives are looked up,
never used as paths.
"""
