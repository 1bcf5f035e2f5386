"""The backend of dynamic programming over attainable sums."""
