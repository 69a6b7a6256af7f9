"""HTTP API over the dossiers of one folder."""
