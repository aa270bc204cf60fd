"""Work beside requests: after an answer, handed in, or by the clock. An application that has none imports none of it.

How it works. Every piece of work is a task of the application's `Crew`, which keeps it from being lost, logs its
failure, and gives it the grace of a shutdown. What is due by the clock is decided in two modules that know neither a
clock nor a loop: `times.py`, when a job's times are, and `plan.py`, what becomes of one that could not be kept.
`timetable.py` looks at the clock for them. Where several workers serve, `lead.py` says which of them does.
"""
