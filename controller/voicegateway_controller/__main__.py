"""`voicegw`: the command line, or one line that says which extra is missing."""

import sys
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""What a shell says of a program that Ctrl-C ended."""


def main() -> None:
    """Run the command line; the entry point exists without the extra, so it must say so itself."""
    try:
        from voicegateway_controller.cli.main import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("voicegateway"):
            raise
        sys.stderr.write(f"voicegw needs the package {error.name}: pip install 'voicegateway[controller]'\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
