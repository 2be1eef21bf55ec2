"""The demo: a real worker fleet against simulated vendors, its money live, and a verdict against the vendors' bills."""
