"""The making of the book: its notebooks executed, its pages rendered, and the archive that it is deposited as."""
