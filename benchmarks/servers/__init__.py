"""Servers, each as its authors would run it for speed: one process, uvloop where it takes a loop, no access log.

The JSON answer is made anew for every request, by orjson in all of them. Routes, as far as a server has them:

    GET  /json              the small answer
    GET  /source?size=N     a body of N bytes with its length; ?framing=chunked: without
    POST /sink              reads the body and tells its length
    POST /digest            reads the body and tells its SHA-256
    POST /echo              the body comes back while it arrives
"""
