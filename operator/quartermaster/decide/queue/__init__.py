"""Who is served next: quota and shares over a tree, victims, reservations; all in `admit`."""
