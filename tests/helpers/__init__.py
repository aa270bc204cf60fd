"""What several test modules share: links, lock-step ends, a certificate authority."""
