"""Where a program differs from its spec: the equation, the step, the weight, the lines."""
