"""The wire between doors and the world, shared by both programs: topics, messages, and how they are parsed."""
