"""The settings of the layers of configuration; a part of all settings."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class ConfigurationSettings(BaseSettings):
    """Where the layers of configuration come from."""

    config: Annotated[
        str,
        Field(
            description="The file whose sections are the lowest layer, watched while the controller runs. Without a "
            "word `voicegw.yaml` in the working directory, then in `VOICEGATEWAY_HOME`, if there."
        ),
    ] = ""
    overrides: Annotated[
        str,
        Field(
            description="The highest layer: YAML or JSON with the same sections, or the name of a file with it. What "
            "it declares hides what is managed and what the file says."
        ),
    ] = ""
