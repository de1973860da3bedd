"""The other side: a simulated exchange with matching, accounts, order flow and faults. Pure."""
