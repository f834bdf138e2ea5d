"""Copies that compete for slots and links, compiled: `engine` calls what `runs` simulates."""
