"""What a PC lacks of a Raspberry Pi, for the real picamera2 on libcamera's virtual camera: the kernel's DMA heap, whose
place memory files take, and a sensor's raw modes. Imported only inside the root of virtual_camera.sh.
"""

from __future__ import annotations

import mmap
import os
from typing import Any
from unittest import mock

import libcamera
from picamera2 import Picamera2
from picamera2.allocators import dmaallocator
from picamera2.allocators.allocator import Allocator, Sync

# Closing a Picamera2 makes a fresh allocator of its own, which opens the heap.
dmaallocator.DmaHeap = mock.MagicMock()


class Unsynchronized(Sync):  # type: ignore[misc]  # its base is untyped
    """One memory and one processor: nothing to flush."""

    def __init__(self, allocator: Any, buffer: Any, write: bool) -> None:
        self._memory = allocator.mapped_buffers[buffer]

    def __enter__(self) -> Any:
        return self._memory

    def __exit__(self, *_: object) -> None:
        pass


class MemoryFiles(Allocator):  # type: ignore[misc]  # its base is untyped
    """Buffers in memory files, with the two planes of NV12 that the virtual camera writes."""

    def __init__(self) -> None:
        super().__init__()
        self.sync = Unsynchronized
        self.mapped_buffers: dict[Any, mmap.mmap] = {}
        self._buffers: dict[Any, list[Any]] = {}
        self._files: list[int] = []

    def allocate(self, libcamera_config: Any, use_case: Any) -> None:
        self.close()
        for layout in libcamera_config:
            self._buffers[layout.stream] = [self._buffer(layout) for _ in range(layout.buffer_count)]

    def buffers(self, stream: Any) -> list[Any]:
        return self._buffers[stream]

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files, self._buffers, self.mapped_buffers = [], {}, {}

    def __del__(self) -> None:
        self.close()

    def _buffer(self, layout: Any) -> Any:
        file = os.memfd_create("frame")
        os.ftruncate(file, layout.frame_size)
        self._files.append(file)
        luma = layout.stride * layout.size.height
        buffer = libcamera.FrameBuffer([_plane(file, 0, luma), _plane(file, luma, luma // 2)])
        self.mapped_buffers[buffer] = mmap.mmap(file, layout.frame_size)
        return buffer


def _plane(file: int, offset: int, length: int) -> Any:
    plane = libcamera.FrameBuffer.Plane()
    plane.fd, plane.offset, plane.length = file, offset, length
    return plane


class VirtualCamera(Picamera2):  # type: ignore[misc]  # its base is untyped
    """The virtual camera has no raw stream, from which picamera2 would learn the sensor's modes."""

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        formats = self.camera.generate_configuration([libcamera.StreamRole.Viewfinder]).at(0).formats
        return [
            {"format": str(name), "size": (size.width, size.height)}
            for name in formats.pixel_formats
            for size in formats.sizes(name)
        ]
