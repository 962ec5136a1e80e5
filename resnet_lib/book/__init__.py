"""This room makes the book: it executes notebooks, renders pages, and packs the archive that is deposited."""
