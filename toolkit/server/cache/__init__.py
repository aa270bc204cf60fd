"""The cache of answers: what handlers returned is kept, and given to whoever asks for the same."""
