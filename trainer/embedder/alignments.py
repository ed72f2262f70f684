"""Where an embedder expects a face's points in its crop, as the data that `edge.recognition.align` works on."""

from __future__ import annotations

from edge.recognition.align import Alignment

# Mesh indices: the two eyes' corners and lids, the nose's tip, the mouth's corners.
FIVE_POINT_112 = Alignment(
    groups=((33, 133, 159, 145), (362, 263, 386, 374), (1,), (61,), (291,)),
    # The template that ArcFace and its kin were trained with (insightface, `face_align.py`), 112 x 112.
    template=((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)),
)

# dlib's `get_face_chip_details`: mean face of its 68 points (numbered from 0 as in iBUG 300-W) in a unit square,
# which the chip shows with a border of 0.25 on every side. Beside each: the point of MediaPipe's mesh that lies on
# the same feature.
_DLIB_MEAN_FACE = {
    168: (0.490127, 0.203352),  # 27 bridge of the nose, from the top
    5: (0.490127, 0.409805),  # 29
    1: (0.490127, 0.515625),  # 30 tip of the nose
    2: (0.490127, 0.628106),  # 33 below the nose
    33: (0.121737, 0.216423),  # 36 right eye, outer corner
    160: (0.187122, 0.178758),  # 37
    158: (0.265825, 0.179852),  # 38
    133: (0.334606, 0.231733),  # 39
    153: (0.260918, 0.245099),  # 40
    144: (0.182743, 0.244077),  # 41
    362: (0.645647, 0.231733),  # 42 left eye, inner corner
    385: (0.714428, 0.179852),  # 43
    387: (0.793132, 0.178758),  # 44
    263: (0.858516, 0.216423),  # 45
    373: (0.797510, 0.244077),  # 46
    380: (0.719335, 0.245099),  # 47
    61: (0.254149, 0.780233),  # 48 corner of the mouth
    37: (0.428858, 0.727388),  # 50 upper lip
    0: (0.490127, 0.742578),  # 51
    267: (0.551395, 0.727388),  # 52
    291: (0.726104, 0.780233),  # 54 corner of the mouth
}
_DLIB_SIZE_PX, _DLIB_PADDING = 150, 0.25


def _in_chip(unit: float) -> float:
    return (unit + _DLIB_PADDING) / (1 + 2 * _DLIB_PADDING) * _DLIB_SIZE_PX


DLIB_150 = Alignment(
    groups=tuple((index,) for index in _DLIB_MEAN_FACE),
    template=tuple((round(_in_chip(x), 3), round(_in_chip(y), 3)) for x, y in _DLIB_MEAN_FACE.values()),
)

NAMED = {"five_point_112": FIVE_POINT_112, "dlib": DLIB_150}
