"""This room measures networks: Jacobians, Lipschitz constants, lesions, paths, flows, shortcuts, costs, ensembles.

A module is a measure, and is named by what it measures. It knows networks and data as tensors, and no file.
"""
