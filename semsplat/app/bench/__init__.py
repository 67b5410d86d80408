"""``semsplat bench``: how we compare with a rival in the same run, on this machine."""
