"""Our count of each request beside what its plugin and its vendor said: where they disagree, by how much, and why."""
