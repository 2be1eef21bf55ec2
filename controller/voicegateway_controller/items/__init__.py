"""One declared resource at a time: a limit, a budget, a project, a chain, a stack; each on top of its kind's set."""
