"""The hands: clocks, sockets, signals, folders, child processes; everything that touches."""
