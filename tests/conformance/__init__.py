"""What both ends promise, over every kind of link and on both loops."""
