"""When a job has to leave its places, and when it may ask for places again."""
