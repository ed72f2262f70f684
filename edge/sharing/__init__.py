"""What a door shares with the trainer of those whom it enrolled: pure decisions, and the part that carries them out."""
