"""This room turns tables into what a reader sees: claims with rules and verdicts, figures, and the ledger of both.

Chapters say `claims.check` and `figures.publish`. The room knows no experiment by name, and measures nothing.
"""
