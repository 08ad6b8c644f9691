"""Lip-sync of clips: face tracks, crops, SyncNet's scores, and features of speech."""
