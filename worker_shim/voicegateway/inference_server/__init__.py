"""A server of LiveKit Inference's protocol: agents whose code nobody touched are routed, limited and metered too.

`python -m voicegateway.inference_server` is one more holder: it makes each request with the vendors' own plugins, as
the shim does in a worker, in the name of the job that asked.
"""
