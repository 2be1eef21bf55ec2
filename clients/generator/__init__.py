"""Makes the typed clients from what the controller says of its routes: `make clients`."""
