"""Networks and masks as graphs, and back."""
