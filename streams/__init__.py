"""Stage 2: events become decisions. ``domain`` is pure, ``runtime`` owns partitions, ``agents`` are the thin glue."""
