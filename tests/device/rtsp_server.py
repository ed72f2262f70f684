"""A network camera for test_rtsp.py, run by the system's python3, whose GStreamer bindings a virtual environment lacks.

    python3 rtsp_server.py PORT

Serves rtsp://door:secret@127.0.0.1:PORT/live, 320x240 H.264 at 25 frames a second, red on the left and blue on the
right. Debian: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-base, -good and -ugly. With `--check` it only tells, by
its exit code, whether these are here.
"""

from __future__ import annotations

import sys
from typing import Any

import gi  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the system's, not the virtual environment's

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import (  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: E402 - versions first
    GLib,
    Gst,
    GstRtsp,
    GstRtspServer,
)

HALF = "video/x-raw,width=160,height=240,framerate=25/1"
PIPELINE = (
    "( compositor name=mix sink_0::xpos=0 sink_1::xpos=160 ! video/x-raw,width=320,height=240,framerate=25/1"
    " ! videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25"
    " ! rtph264pay name=pay0 pt=96"
    f" videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000 ! {HALF} ! mix.sink_0"
    f" videotestsrc is-live=true pattern=solid-color foreground-color=0xff0000ff ! {HALF} ! mix.sink_1 )"
)
NEEDED = ("compositor", "x264enc", "rtph264pay", "videotestsrc")


def protect(server: Any) -> None:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("door", "secret"), token)
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
    server.set_auth(auth)


def media() -> Any:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    factory.add_role_from_structure(
        Gst.Structure.from_string("viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true")[
            0
        ]
    )
    return factory


def main() -> int:
    Gst.init(None)
    missing = [name for name in NEEDED if Gst.ElementFactory.find(name) is None]
    if missing or sys.argv[1] == "--check":
        print("missing: " + ", ".join(missing) if missing else "ready", flush=True)
        return bool(missing)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    protect(server)
    server.get_mount_points().add_factory("/live", media())
    if not server.attach(None):
        return 1
    print("ready", flush=True)
    GLib.MainLoop().run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
