"""What the benchmarks share: processes on their cores, rounds in turns, statistics, tables and plots."""
