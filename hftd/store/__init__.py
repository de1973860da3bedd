"""The ledger: SQL tables as a projection of the journal, which can be rebuilt at any time.

``tables`` are the tables, ``words`` what a run's header says and how numbers become text,
``rows`` how a fact becomes a row, ``projector`` puts rows into the tables, ``queries`` reads
them, ``database`` opens and migrates.
"""
