"""Money in a worker: what it may spend of the fleet's budgets, reserved before a request and settled after it."""
