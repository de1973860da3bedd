"""The ledger: SQL tables, which are a projection of the journal and can be rebuilt from it."""
