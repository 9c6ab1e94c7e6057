"""What a session stores on disk: folder, lock, journal, pixels, snapshots. Needs no model."""
