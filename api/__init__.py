"""Stage 4: answers questions from the read models. Reads leave the system only through here; nothing is written."""
