"""The mesh engine: draws a source photo onto the face mesh of a target and lights it as the target is lit."""
