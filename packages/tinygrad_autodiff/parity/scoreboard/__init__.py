"""Torch's own table of operations (`op_db`) run on a torch-shaped library, and the scoreboard."""
