"""Ways to add people to what recognizes them: those that train again, and the table, which does not. For comparison."""
