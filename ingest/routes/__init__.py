"""The HTTP face of the ingest stage: thin routes that read a request, call one use case and answer."""
