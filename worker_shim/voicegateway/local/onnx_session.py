"""ONNX sessions of the local voices: which device, how many processors, and how a computation is ended early."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from voicegateway.local.slots import current_stint

Device = Literal["cpu", "cuda", "auto"]


def onnx_session(path: Path, *, device: Device, threads: int) -> "StoppableSession":
    """Load a graph; blocks while it does.

    Raises:
        ValueError: there is no such device here.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin for work take processors from the calls beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ValueError("device 'cuda': this onnxruntime has none; install onnxruntime-gpu, or use 'cpu'")
    if has_cuda and device != "cpu":
        providers.insert(0, "CUDAExecutionProvider")
    session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=providers)
    return StoppableSession(session, onnxruntime.RunOptions)


class StoppableSession:
    """An `onnxruntime.InferenceSession` that ends a computation in its middle once its stint is stopped.

    Engines are given it in the place of the session, and know no difference. Lives as long as the engine.
    """

    def __init__(self, session: Any, run_options: Callable[[], Any]) -> None:
        self._session = session
        self._run_options = run_options

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, output_names: Any, inputs: Any, run_options: Any = None) -> Any:
        """Compute as the session does; raises what it raises when it is ended early."""
        stint = current_stint()
        if stint is None:
            return self._session.run(output_names, inputs, run_options)
        options = run_options or self._run_options()

        def end() -> None:
            options.terminate = True

        with stint.aborted_by(end):
            return self._session.run(output_names, inputs, options)
