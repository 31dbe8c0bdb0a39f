"""accelpool: every accelerator of an organisation in one pool."""
