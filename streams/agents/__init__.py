"""One small agent a domain; all of them do the same thing to different decisions."""
