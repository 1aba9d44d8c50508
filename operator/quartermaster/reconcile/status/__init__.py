"""What a job's status says, and what of it users get an event for: pure."""
