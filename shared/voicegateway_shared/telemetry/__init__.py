"""Every name we put on a span or a metric, in one place."""
