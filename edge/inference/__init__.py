"""Models at work: one file a kind of model, over the one module that imports a TFLite runtime."""
