"""Things pointed at in pictures become selections of Gaussians: clicks, boxes, strokes and masks."""

from .graph import Graph as Graph
from .graph import build as build
from .kept import kept as kept
from .prompts import Box as Box
from .prompts import Click as Click
from .prompts import MaskPrompt as MaskPrompt
from .prompts import Prompt as Prompt
from .prompts import Scribble as Scribble
from .prompts import Stroke as Stroke
from .refine import Alike as Alike
from .refine import Outlines as Outlines
from .selecting import Selected as Selected
from .selecting import select as select
