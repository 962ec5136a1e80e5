"""Whether another run says the same: runs on other machines, how their numbers compare, and what they come to.

Knows what the chapters' outputs say, and no experiment.
"""
