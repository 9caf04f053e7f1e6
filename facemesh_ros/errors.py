"""What can go wrong, by kind. Every message says what was got, what is allowed and what to do."""


class FaceMeshError(Exception):
    """Base of every error that facemesh_ros raises on purpose."""


class ConfigError(FaceMeshError):
    """A configuration value is unknown, of the wrong type or out of bounds."""


class InputError(FaceMeshError):
    """An argument (image, camera, file, ...) is not what the function takes."""


class ModelError(FaceMeshError):
    """A network is missing, altered, or cannot be read or converted."""


class DeviceError(FaceMeshError):
    """A device cannot run the networks here, or fails while it does."""


class NoDeviceError(DeviceError):
    """There is no such device in this machine, or no TensorRT."""


class StuckDeviceError(DeviceError):
    """Work on the device does not end."""


class NotBegunError(StuckDeviceError):
    """What was asked for was not begun, since other work on the device does not end."""
