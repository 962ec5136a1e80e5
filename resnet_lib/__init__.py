"""Residual networks as data: blocks, their spectra and training, and the ledger of evidence behind the book."""

__version__ = "0.1.0"
