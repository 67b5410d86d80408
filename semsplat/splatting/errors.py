"""What can go wrong through input: one sentence that tells the value seen and the remedy."""


class SemsplatError(Exception):
    """Anything a person can cause and mend; its text is one clear sentence, shown without a traceback."""


class InputError(SemsplatError):
    """A file, folder, option or value that cannot be used as it is."""


class DeviceError(SemsplatError):
    """The tensors lie on a device for which there is no rasterizer, or whose tools are missing."""
