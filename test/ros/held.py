"""Work that is held up until it is let go."""

import inspect
import threading
from importlib import import_module

DEADLINE_S = 20.0


class Held:
    """A function of the node, with one in its place whose first call takes until :meth:`let_go`."""

    def __init__(self, monkeypatch, path):
        """Replace what is at ``path``, which is "module.name" or "module.Class.name" of the door to ROS."""
        module, *of_class, name = path.split(".")
        owner = import_module(f"facemesh_ros.ros.{module}")
        for one in of_class:
            owner = getattr(owner, one)
        real, self._began, self._may_go_on = getattr(owner, name), threading.Event(), threading.Event()

        def held(*arguments, **options):
            made = real(*arguments, **options)
            if not self._began.is_set():
                self._began.set()
                assert self._may_go_on.wait(DEADLINE_S)
            return made

        monkeypatch.setattr(owner, name, staticmethod(held) if inspect.ismethod(real) else held)

    def has_begun(self):
        return self._began.is_set()

    def let_go(self, streams):
        """Let it end, and wait until the workers of these streams, which are closed, have."""
        self._may_go_on.set()
        for group in (streams._images, streams._views):
            for thread in group._threads:
                thread.join(DEADLINE_S)
                assert not thread.is_alive()
