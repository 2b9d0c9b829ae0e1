"""The task of detecting objects on frames of RGB and further channels."""
