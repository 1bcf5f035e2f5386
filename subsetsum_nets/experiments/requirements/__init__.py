"""The bounds of all papers side by side, with what our construction took."""
