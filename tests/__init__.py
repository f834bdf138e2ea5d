"""The tests; a package by this file, because an installed one has the same name and would be imported."""
