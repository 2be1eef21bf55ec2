"""Read models for people: one SQL file per report."""
