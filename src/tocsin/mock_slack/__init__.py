"""Slack's incoming webhooks as a small server on this machine: it answers as Slack does and shows what it received.

It imports nothing of the stages and none of them import it.
"""
