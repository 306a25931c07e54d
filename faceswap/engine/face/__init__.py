"""Finding faces: detection, landmarks, tracking, telling people apart, and numbering them."""
