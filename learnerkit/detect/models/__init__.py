"""Detectors and their backbones; importing `detector` registers the names 'detect:BACKBONE'."""
