"""What the broker does, whoever asks: one module per noun, without HTTP."""
