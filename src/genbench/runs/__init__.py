"""Run folders: made, found, opened, locked, and read with care."""
