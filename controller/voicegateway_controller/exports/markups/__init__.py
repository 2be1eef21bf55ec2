"""Markups: what customers are charged for what we pay. Declared by people, applied by a pure rule."""
