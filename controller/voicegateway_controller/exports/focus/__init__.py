"""The ledger as FOCUS, the FinOps Open Cost and Usage Specification: 1.2, with the names that 1.3 added."""
