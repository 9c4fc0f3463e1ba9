"""``poc-simulated-api`` over HTTP, as a real outside service would be asked: ``GET /jobs/{id}``.

Run as ``python -m waiting_workflows.front PORT MINISTACK REGION``.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import boto3
from botocore.config import Config

_PREFIX: Final = "/jobs/"


def server(port: int, invoke: Any) -> ThreadingHTTPServer:
    """``invoke``: of a Lambda client."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/health":
                return self._answer(200, {"status": "ok"})
            if not self.path.startswith(_PREFIX):
                return self._answer(404, {"error": f"there is only {_PREFIX}{{id}}"})
            event = {"action": "CHECK_STATUS", "job_id": self.path.removeprefix(_PREFIX)}
            answer = invoke(FunctionName="poc-simulated-api", Payload=json.dumps(event).encode())
            body = json.loads(answer["Payload"].read())
            if not answer.get("FunctionError"):
                return self._answer(200, body)
            return self._answer(404 if body.get("errorType") == "JobNotFound" else 502, {"error": body["errorMessage"]})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main(port: str, ministack: str, region: str) -> None:
    functions = boto3.client(
        "lambda",
        endpoint_url=ministack,
        region_name=region,
        config=Config(max_pool_connections=32, connect_timeout=3, read_timeout=20),
    )
    server(int(port), functions.invoke).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
