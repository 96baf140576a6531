"""A provider's side of trust transfers: one record per device, pure functions per event, duties derived from it.

    book        what a provider stores about one device, in one atomic write
    old         the giving side (SP1): offers, proofs, taking back, closing
    new         the receiving side (SP2): expecting, provisional entries, owning, releases
    comparison  what a committed report shows against what was agreed
    admission   who may log in at the server, and as what
    duties      everything that still has to be sent or ordered, read off the record

The edge stores the entry a function returns before it acknowledges anything, and works off `duties(entry, now)` again
and again; nothing that must be done lives anywhere else, so a restart loses nothing.
"""
