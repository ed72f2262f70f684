"""Releases on a door: fetched, checked, tried on and put in force or undone. Recognition never waits for any of it."""
