"""What is measured of a network: Jacobians, Lipschitz constants, lesions, paths, flows, shortcuts, costs, ensembles.

A module is a measure, and is named by what it measures. Knows networks and data as tensors, and no file.
"""
