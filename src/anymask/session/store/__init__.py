"""What a session keeps on disk: folder, lock, journal, pixels, snapshots. It knows no models."""
