"""This room tells whether another run says the same: it keeps runs of other machines, and compares their numbers.

It knows what the chapters' outputs say, and no experiment.
"""
