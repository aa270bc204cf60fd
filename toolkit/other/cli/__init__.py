"""`toolkit get URL` and its kin: requests on the command line, with curl's habits.

    arguments   the command line's words, checked
    access      who is asking, and with which cookies
    body        what is sent: data, JSON, forms, files, standard input
    channel     standard input and output without blocking the loop
    pretty      heads and JSON for a terminal (pure)
    output      where an answer goes: a terminal, a pipe, a device
    report      what `-w` writes when all is done (pure)
    statuses    exit statuses, by curl's numbers
    transfer    one URL: its request, and its answer to where it belongs
    command     the subcommands

docs/command-line.md is the page for those who use it.
"""
