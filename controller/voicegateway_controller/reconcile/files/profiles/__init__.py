"""Column mappings that come along, one YAML file each: what we assume vendors' exports to look like."""
