"""The scripts here are run by tests/test_tutorials.py, not imported by pytest."""

collect_ignore_glob = ["*.py"]
