"""Other ways to compare, from the literature, measured beside the head; none of them ships."""
