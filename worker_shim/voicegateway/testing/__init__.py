"""What helps you test an agent without vendors, such as the simulators in `voicegateway.testing.vendors`."""
