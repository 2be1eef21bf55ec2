"""What was consumed: the OTLP receiver and the inbox it commits to."""
