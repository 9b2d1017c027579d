"""Texts that others wrote, made safe to show: redaction, one line, Unicode, names that were meant."""
