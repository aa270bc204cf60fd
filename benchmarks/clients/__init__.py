"""Clients. Each takes jobs from its parent and does them on one event loop, so that its connections are kept between
jobs; the CPU time told is the whole process's, the threads of a library in Rust included.
"""
