"""Health: which vendors, models and accounts this process had better not ask just now."""
