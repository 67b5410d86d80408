"""Sentences about light: brighter, darker, warmer, cooler; match the light of what was inserted."""

import re

from ..splatting.errors import InputError
from .commands_parts import NUMBER, Command, cut, share_of, things_of

GAIN = 0.2  # brighter, when it is not said how much
_HOW = "brighter|lighter|darker|warmer|cooler|colder"


def brightened(said: str, rest: str) -> Command:
    """brighten, lighten, darken THINGS [20%]. Raises InputError when the share is none."""
    share = re.fullmatch(rf"(.+?)(?: by)? ({NUMBER}) ?%", rest)
    part = share_of(share.group(2)) if share else GAIN
    how = "darker" if said == "darken" else "brighter"
    return Command("gain", things_of(share.group(1) if share else rest), amount=part, how=how)


def lit(rest: str) -> Command | None:
    """make THINGS [20%] brighter, darker, warmer, cooler; None when it is about something else."""
    found = re.fullmatch(
        rf"(.+?)(?: (?:by )?({NUMBER}) ?%| a bit| a little)? (brighter|lighter|darker|warmer|cooler|colder)", rest
    )
    if found is None:
        return None
    part = share_of(found.group(2)) if found.group(2) else GAIN
    how = {"lighter": "brighter", "colder": "cooler"}.get(found.group(3), found.group(3))
    return Command("gain", things_of(found.group(1)), amount=part, how=how)


def matching(said: str, rest: str) -> Command:
    """The light of what was inserted last, or of things."""
    light = "(?:light|lighting|brightness|exposure|white balance|colou?rs?|exposure and white balance)"
    whole = re.sub(r" (?:to|with) (?:the |this )?(?:scene|room|rest|others?)$", "", rest)
    found = re.fullmatch(rf"(?:(?:the|its|their|it) )?{light}(?: of (.+))?", whole)
    if found is None and (said != "match" or re.search(r"\bto\b|\bwith\b", whole)):
        raise InputError(
            f'"{said} {cut(rest)}" is not understood; say: match its light, or: match the light of the mug.'
        )
    things = found.group(1) if found else whole
    return Command("match", things_of(things) if things and things not in ("it", "its") else ())
