"""Types, money, prices and names that both sides share; pure, no I/O."""

__version__ = "0.1.0"
