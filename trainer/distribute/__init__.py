"""The published repository to the doors, in pieces over the broker. Reads files and signs nothing; holds no key."""
