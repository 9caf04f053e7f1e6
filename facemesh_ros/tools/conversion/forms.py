"""The forms of a network: the same numbers from graphs that suit different machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from facemesh_ros.tools.conversion.branches import fuse_branches
from facemesh_ros.tools.conversion.channels import (
    convolve_channel_pads,
    join_channel_pads,
    round_channels,
    sum_before_padding,
)
from facemesh_ros.tools.conversion.graph import Graph, merge_equal
from facemesh_ros.tools.conversion.image_input import cast_image_first, convolve_interleaved_image
from facemesh_ros.tools.conversion.passes import convolve_prelus, enter_blocked_layout, fold_spatial_pads

_LEAN = (fold_spatial_pads, merge_equal, fuse_branches)
FORMS: Mapping[str, tuple[Callable[[Graph], None], ...]] = {
    "cpu": (
        *_LEAN,
        convolve_interleaved_image,
        convolve_channel_pads,
        convolve_prelus,
        round_channels,
        enter_blocked_layout,
        sum_before_padding,
        join_channel_pads,
    ),
    "gpu": (*_LEAN, cast_image_first),
    "naive": (fold_spatial_pads,),
}
"""Form → the passes that the graph goes through, in order.

``naive`` is operator by operator, the yardstick of bench/networks.py; it is never installed.
"""
