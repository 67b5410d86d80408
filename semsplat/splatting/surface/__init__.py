"""Surfaces of Gaussians: meshes and point clouds."""
