"""The benchmarks: their statistics, their checks of answers, and one brief run of all of them. No figure is judged."""
