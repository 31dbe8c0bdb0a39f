"""accelpool_broker: the REST service that decides who gets what."""
