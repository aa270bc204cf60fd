"""Handlers in processes of their own: `@web.get("/cpu", process=True)`.

How it works. A pool's processes are spawned, each a fresh interpreter that imports the program as a module (by
`multiprocessing`, which knows how a `__main__` is found again), and never forked: a fork of a process with threads or a
loop inherits their locks in whatever state they are in. A handler is known there by its module and name, so nothing
but data is ever sent. Between the loop and each process is one socket with frames on it:

    loop to process     CALL what to call, with the request's data; BODY its body
                        MORE so many bytes of a stream were taken; CLOSE nobody wants the rest
    process to loop     READY, or FAILED to begin
                        HEAD of an answer, then PIECEs of its body (ITEMs, where they are objects), then END
                        ERROR instead of a head, or of the rest

A process has one call at a time. An answer is made into bytes where the handler runs; the loop passes them on. A stream
may be ahead of its reader by a window of bytes, then its process waits for MORE. Whoever is asked to do something else
than wait on that socket, and does not come back in time, is killed and replaced: nothing softer ends a function that
does not want to.

The end of the socket is the end of either side. A process sees so that its server is gone, killed or not, also while a
function runs: a thread of it reads. The server sees so that a process has died; its one request gets a 500.

| module | what it knows |
| --- | --- |
| `options.py` | what may be said of a pool |
| `references.py` | functions by their names |
| `frames.py` | the bytes between the two |
| `copies.py` | a request, as a process gets it |
| `values.py` | answers on their way back |
| `failures.py` | exceptions on their way back, and a pool's own |
| `child.py` | the process's side |
| `link.py` | the loop's side: one process and its call |
| `pool.py` | all of them: who is free, who waits, who is replaced |
| `pools.py` | an application's pools, and what it calls in them |
"""
