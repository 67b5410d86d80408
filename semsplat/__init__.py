"""semsplat: scenes of 3D Gaussians from photographs, with meaning.

Three layers, imports go only downwards: :mod:`semsplat.app` (people) -> :mod:`semsplat.distill` (meaning) ->
:mod:`semsplat.splatting` (geometry).
"""

__version__ = "0.1.0"
