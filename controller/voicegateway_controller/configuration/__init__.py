"""Configuration in layers: environment over what is managed over `voicegw.yaml`; versions of it, and the way back."""
