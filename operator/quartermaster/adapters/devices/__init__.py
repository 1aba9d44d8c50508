"""Dynamic Resource Allocation: what nodes offer, what DeviceClasses choose, and who has it."""
