"""Reverse proxies: whatever is asked of them they ask of the server behind them, whose URL is their argument."""
