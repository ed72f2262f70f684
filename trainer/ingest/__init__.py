"""From the doors' messages to the fleet's store: nothing is acknowledged before it is committed, nothing twice."""
