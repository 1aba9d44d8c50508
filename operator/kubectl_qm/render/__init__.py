"""From views to rich renderables: pure, the clock and the look are arguments."""
