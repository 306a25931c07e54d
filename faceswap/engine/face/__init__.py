"""Finds faces: detection, landmarks, tracking, telling people apart, and numbering the faces."""
