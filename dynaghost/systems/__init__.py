"""What is analyzed: a vector field with derivatives, bounds and a metric."""
