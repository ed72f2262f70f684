"""Enrollment at the door: the session that decides, the policy, what the panel shows, and what carries it out."""
