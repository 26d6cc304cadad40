"""Training: schedules, the loop, the run folder, divergence, progress."""
