"""HTTP plumbing: who is calling, problems, health, metrics, the dashboard's files."""
