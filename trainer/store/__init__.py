"""The fleet's store: what doors reported, sealed, in SQLite or PostgreSQL; and the sums that heads are learned from."""
