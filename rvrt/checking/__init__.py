"""What a device does with the networks: operators, numbers, memory, time."""
