"""The device's side of a trust transfer: one durable record, one state table, no input or output.

    record    what the device stores, in one atomic write
    events    what can happen to it
    table     the state table of the protocol, as data
    policy    the checks a TransferMessage must pass before anything is written
    machine   `handle` an event, `resume` after a restart, `next_timer`
    actions   what the edge must do once the outcome's record is stored

The edge (emulator or firmware) owns sockets, files, keys and clocks. It stores `Outcome.record` before it sends the
answer or starts an action; everything else follows from that.
"""
