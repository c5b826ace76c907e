"""The `bluewhale` command, the embedded runtime and the simulator."""
