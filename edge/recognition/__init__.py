"""The pure core: from pixels and tensors to decisions. No I/O, no clock, no hardware, no TFLite."""
