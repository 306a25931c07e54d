"""The mesh engine: one source photo, textured onto the face mesh and lit like the target."""
