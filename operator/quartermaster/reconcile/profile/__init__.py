"""What a job's steps are: as they were measured, and as placement weighs them."""
