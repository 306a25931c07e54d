"""Which of the 468 + 10 face landmarks belong to which part of the face.

The numbers are indices of MediaPipe's face mesh. "Right" and "left" are the person's own. A ring lists the
points around a feature in order.
Source: `face_mesh_connections.py` of MediaPipe (Apache-2.0); the order within the rings is our own.
"""

MESH_POINTS = 468
"""Number of points of the mesh itself. Five points for each iris follow."""
RIGHT_IRIS, LEFT_IRIS = 468, 473
"""The centre of each iris."""

FOREHEAD_TOP, CHIN_BOTTOM = 10, 152
NOSE_TIP, NOSE_BASE = 1, 2

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
"""From the outer corner along the lower lid to the inner corner (number 8), and back along the upper lid."""
EYE_INNER_CORNER = 8
RIGHT_EYE_LIDS, LEFT_EYE_LIDS = (159, 145), (386, 374)
"""The middle of the upper lid and of the lower lid."""

LIPS_INNER = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324),
    *(308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
LIPS_OUTER = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
MOUTH_CORNERS = (61, 291)
INNER_MOUTH_CORNERS = (78, 308)
INNER_LIP_MIDDLES = (13, 14)

RIGHT_BROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
LEFT_BROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
NOSE = (
    *(1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 168, 195, 197, 220, 275, 278, 294),
    *(326, 327, 344, 440, 49, 279, 131, 360, 102, 331, 129, 358),
)
NOSTRILS = (98, 97, 2, 326, 327, 64, 294)
"""Points around the nostrils, whose darkness says nothing about the light on the skin."""
