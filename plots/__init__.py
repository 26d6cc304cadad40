"""Pictures of a run and of a network: plain arrays in, a PNG file and its matplotlib Figure out."""
