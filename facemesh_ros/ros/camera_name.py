"""What the things of one camera are called: topics, services, ids, frames, and lines in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CameraName:
    """The name of one camera of the node's, or none where the node has but one."""

    text: str = ""

    def input(self, topic: str) -> str:
        """Return the name, to be remapped, of a topic that comes from the camera: image, or front/image."""
        return f"{self.text}/{topic}" if self.text else topic

    def output(self, topic: str) -> str:
        """Return the name of a topic or service about the camera: ~/faces, or ~/front/faces."""
        return f"~/{self.input(topic)}"

    def id_prefix(self, of_node: str) -> str:
        """Return what ids of the camera's faces begin with after ``of_node``, the parameter: nothing, or front_."""
        return f"{of_node}{self.text}_" if self.text else of_node

    def frame(self, name: str) -> str:
        """Return the name of a frame that each camera has: facemesh_view, or facemesh_view_front; empty for none."""
        return f"{name}_{self.text}" if name and self.text else name

    def title(self, what: str) -> str:
        """Return what something is called for readers: face meshes, or front: face meshes."""
        return f"{self.text}: {what}" if self.text else what

    def logger(self, of_node: Any) -> Any:
        """Return the logger in whose lines the name is: facemesh_node, or facemesh_node.front."""
        return of_node.get_child(self.text) if self.text else of_node


UNNAMED = CameraName()
