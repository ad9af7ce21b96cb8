"""The checker of the invariants: what must hold whatever was sent and whatever crashed.

invariants.py names them; journal.py takes the records of one partition one after the other, and
entries.py, money.py and rows.py hold its rules. Pure. Independent of the fold on purpose: it shares
the words of the journal with it, none of its reasoning.
"""
