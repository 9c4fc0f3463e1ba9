"""A real broker that takes clients with SCRAM-SHA-512 over TLS only, as Amazon MSK does."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tocsin.embedded import ports
from tocsin.embedded.kafka import Kafka

NAME: Final = "tocsin"
PASSWORD: Final = "canary-of-kafka"


class SecuredKafka(Kafka):
    """``secured``: where clients connect. ``pem``: the server's key and certificate in one file."""

    def __init__(self, directory: Path, pem: Path) -> None:
        super().__init__(directory, quick=True)
        self._pem = pem.absolute()
        (self._port,) = ports.choose(1)

    @property
    def secured(self) -> str:
        return f"127.0.0.1:{self._port}"

    def _write_configuration(self) -> None:
        super()._write_configuration()
        lines = dict(line.split("=", 1) for line in self._properties_file.read_text().splitlines())
        secure = f"SECURE://{self.secured}"
        lines["listeners"] += f",{secure}"
        lines["advertised.listeners"] += f",{secure}"
        lines["listener.security.protocol.map"] += ",SECURE:SASL_SSL"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        lines |= {
            "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.secure.scram-sha-512.sasl.jaas.config": login,
            "listener.name.secure.ssl.keystore.type": "PEM",
            "listener.name.secure.ssl.keystore.location": str(self._pem),
        }
        self._properties_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def _format(self) -> None:
        command = self._java("kafka.tools.StorageTool")
        scram = f"SCRAM-SHA-512=[name={NAME},password={PASSWORD}]"
        arguments = ["format", "--cluster-id=4L6g3nShT-eMCtK--X86sw", "-c", str(self._properties_file)]
        subprocess.run([*command, *arguments, "--add-scram", scram], check=True, capture_output=True)
