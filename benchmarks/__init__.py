"""The benchmarks: each program here measures this package beside its peers, in one run, and tells ratios.

    python -m benchmarks                     # all of them, then docs/benchmarks.md
    python -m benchmarks.http_json --quick   # one of them, briefly
    python -m benchmarks.report              # the page anew, from what was measured so far

Absolute figures belong to a machine; ratios of one run, taken in turns, are what can be compared. `core` is what the
programs share. `servers`, `clients` and `proxies` hold a small program for each contestant, ours among them; they
run in a virtual environment that is made from `requirements.txt`. Linux only: CPU time and memory come from its
process table.
"""
