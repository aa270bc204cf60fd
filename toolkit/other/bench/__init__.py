"""`toolkit bench`: load for any HTTP server, and what it was like for those who waited.

    options     what a run is to do, checked
    arguments   the command line's words for it
    pacing      schedules: when requests are due (pure)
    pacer       who may send, and when
    ticker      a timer that is finer than an event loop's
    answers     the reader of answers (pure)
    latencies   the histogram
    record      what a run counted; records of several processes are added up
    load        the connections of a request load
    duplex      the streams of a duplex load
    run         one process's run, from the first connection to the record
    processes   several processes' runs, at the same time
    builtin     the built-in server of `--self`, and the scenarios of the self-test
    figures     a record as the figures that people and programs read: the JSON document
    compare     two such documents side by side
    report      figures as text, with a plot for the terminal
    chart       plots as SVG
    page        figures as one HTML page
    progress    the live line
    command     the subcommand

docs/bench.md is the page for those who use it.
"""
