"""What the documents say is run, or held against the code."""
