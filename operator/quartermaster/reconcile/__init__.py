"""One pass over one object: observe, decide, build, apply, report. Level-triggered."""
