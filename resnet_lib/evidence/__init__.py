"""From tables to what a reader sees: claims with their rules and verdicts, published figures, and the ledger of both.

Chapters say `claims.check` and `figures.publish`. Knows no experiment by name, and measures nothing.
"""
