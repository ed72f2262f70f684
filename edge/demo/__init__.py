"""The demonstration: what `doorward demo` needs beyond the daemon itself, and the pictures that it shows."""
