# SPDX-License-Identifier: Apache-2.0
"""Random container names, adjective_noun, for those who give none."""

from __future__ import annotations

ADJECTIVES = (
    "able agile amber ample apt azure bold brave breezy bright brisk calm candid clear clever cosy"
    " crisp daring deft eager early earnest easy epic fair fancy fast fine firm fleet fluent fond"
    " frank fresh gentle glad golden good grand great green happy hardy hearty honest humble ideal"
    " jolly keen kind late lively loyal lucid lucky lunar mellow merry mild modest neat nimble"
    " noble novel open patient plain plucky polite proud pure quick quiet rapid ready regal"
    " ripe robust"
    " royal rural sage secure serene sharp shiny silent simple sleek smart smooth snug solar solid"
    " sound spry stable steady stout sunny sure swift tame tidy tough tranquil true trusty upbeat"
    " vast vivid warm wary wise witty young zesty"
).split()
NOUNS = (
    "acorn alder anchor apple arbor aspen auk badger bamboo barley basil bay beacon beech birch"
    " bison brook canyon cedar cherry cliff clover comet coral cove crane creek curlew daisy delta"
    " dolphin dove dune eagle elder elm ember falcon fern finch fir fjord fox garnet gecko glade"
    " grove gull harbor hare hawk hazel heath hedge heron hill holly ibis iris island ivy jasper"
    " jay juniper kelp kestrel kite lagoon lake larch lark laurel lily linden lynx magpie maple"
    " marten meadow mint moose moss moth myrtle newt oak oasis olive orca osprey otter owl palm"
    " pearl pebble pelican perch petrel pika pine plum pond poplar puffin quail quartz raven reed"
    " reef ridge river robin rowan ruby sable saffron salmon seal sedge shore shrew siskin sparrow"
    " spruce stoat stork swan swift tern thistle thrush tiger topaz trout tulip tundra valley"
    " violet vole walnut warbler willow wren yew zebra"
).split()


def random_name(number: int) -> str:
    """Return the name for a random `number`; about 19,000 differ."""
    first, second = divmod(number, len(NOUNS))
    return f"{ADJECTIVES[first % len(ADJECTIVES)]}_{NOUNS[second]}"
