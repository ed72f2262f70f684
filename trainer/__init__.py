"""Doorward's server side: builds the models that doors run, and measures them."""
