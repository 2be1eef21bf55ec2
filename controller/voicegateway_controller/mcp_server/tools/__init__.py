"""The tools: thin words over the admin API, which alone decides who may do what."""
