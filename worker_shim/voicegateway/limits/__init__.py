"""The fleet's limits as one process keeps them: leases, the thread that renews them, what vendors say of theirs."""
