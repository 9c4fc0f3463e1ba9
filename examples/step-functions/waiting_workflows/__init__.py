"""Runs the example on emulators: starts them, deploys, plays scenarios against them and shows what happens."""
