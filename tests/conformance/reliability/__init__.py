"""What software of this kind has died of, as byte vectors: each with its number, its source and what must happen."""
