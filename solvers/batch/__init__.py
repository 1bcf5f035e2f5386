"""solve_many(): many problems at once, in chunks, on threads or any executor, resumable."""
